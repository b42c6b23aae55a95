"""Models and runs from before confidences: they load, resume, and have none."""

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from handpose.heads.regression import RegressionHead
from handpose.predict.hand_pose import HandPose
from handpose.training.module import Stage

ROOT = Path(__file__).resolve().parents[2]
Train = Callable[..., Path]
SETTINGS = ("head=regression", "objective=none", "trainer.checkpoint_every_n_steps=1")


class PowerCutError(RuntimeError):
    """The end of a process that nothing of ours gets to see."""


def _as_it_was(patch: pytest.MonkeyPatch) -> None:
    """The regression head before it had a scale."""
    begin = RegressionHead.__init__

    def old(head: RegressionHead, **settings: Any) -> None:
        begin(head, **settings)
        head.scale = None

    patch.setattr(RegressionHead, "__init__", old)


def _state(run_dir: Path) -> dict[str, torch.Tensor]:
    return torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]


@pytest.mark.slow
def test_a_run_begun_before_confidences_is_resumed_without(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _state(train(*SETTINGS, name="whole"))
    steps = 0

    def cut(stage: Stage, batch: Any, batch_idx: int) -> None:
        nonlocal steps
        if steps == 1:
            raise PowerCutError
        steps += 1

    with monkeypatch.context() as patch:
        _as_it_was(patch)
        patch.setattr(Stage, "on_train_batch_start", cut)
        with pytest.raises(PowerCutError):
            train(*SETTINGS, name="old")
    run_dir = train(*SETTINGS, name="old")
    assert "it stays without" in (run_dir / "train.log").read_text()
    state = _state(run_dir)
    assert whole.keys() - state.keys() == {"head.scale.weight", "head.scale.bias"}
    assert all(torch.equal(value, whole[name]) for name, value in state.items())
    image = np.zeros((40, 40, 3), np.uint8)
    (hand,) = HandPose.from_run(run_dir, device="cpu").predict([image])
    assert (hand.joint_confidence, hand.confidence) == (None, None)
    assert "from before confidences" in hand.confidence_note

    further = train(*SETTINGS, f"init_from={run_dir}", name="further")
    assert _state(further).keys() == whole.keys(), "a new run from it learns the scale"
    (hand,) = HandPose.from_run(further, device="cpu").predict([image])
    assert hand.joint_confidence.shape == (21,)
    assert 0 <= hand.confidence <= 1


@pytest.mark.slow
@pytest.mark.parametrize("head", ["heatmap", "regression"])
def test_it_is_calibrated_orders_hands_and_is_low_without_one(
    train: Train, head: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A short training; the numbers of a longer one are in docs/guide/results.md."""
    out = tmp_path / "confidence.json"
    run_dir = train(
        *("objective=none", f"head={head}", "dataset.image_size=64", "dataset.num_train=1600"),
        *("trainer.caps=null", "finetune.max_epochs=4", "dataset.num_val=200"),
        "dataset.num_test=300",
    )
    script = ROOT / "scripts" / "bench_confidence.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(run_dir), "--images", "200"])
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--json", str(out)])
    runpy.run_path(str(script), run_name="__main__")
    found = json.loads(out.read_text())
    assert found["note"] == ""
    assert found["confidence_ece"] < 0.15
    assert found["confident_half_error_ratio"] < 0.9
    for kind in ("backdrop", "noise", "blurred noise"):
        assert found[f"{kind}, share below the 5th percentile"] > 0.75, kind
        assert found[f"{kind}, median"] < 0.5 * found["hands_median"]


@pytest.mark.slow
def test_a_run_without_calibration_says_so(train: Train) -> None:
    run_dir = train("objective=none", "finetune.calibrate=false", name="raw")
    results = json.loads((run_dir / "results.json").read_text())
    assert results["confidence_note"] == "not calibrated: finetune.calibrate=false"
    assert "n_calibration" not in results
    assert torch.load(run_dir / "model.pt", weights_only=True)["confidence"]["calibration"] is None
