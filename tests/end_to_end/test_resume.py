"""A run that was killed, at any step of either stage, ends in the bits of one that never was."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from run_differences import differences, nested_differences
from torch import Tensor

from handpose.data.sampling import EpochSampler
from handpose.distributed.interrupt import Interrupted
from handpose.training.callbacks import StepSeed
from handpose.training.module import Stage
from handpose.training.pretrainer import Pretrainer
from handpose.weights import torch_file

# Two stages of two epochs of four steps.
STEPS = 16
SETTINGS = (
    *("head=regression", "objective=relative"),
    *("pretrain.max_epochs=2", "finetune.max_epochs=2", "trainer.caps.max_epochs=2"),
    *("trainer.caps.batches=4", "trainer.caps.samples=32"),
    *("trainer.keep_checkpoints=true", "trainer.checkpoint_every_n_steps=1"),
)
Train = Callable[..., Path]


class PowerCutError(RuntimeError):
    """The end of a process that nothing of ours gets to see."""


def train_with_cuts(
    train: Train, monkeypatch: pytest.MonkeyPatch, *settings: str, steps: int, name: str
) -> tuple[Path, int]:
    """The run, cut before its process begins one step more than `steps`, and started again.

    Returns:
        Its directory, and how often it was cut.
    """
    left = 0

    def cut(stage: Stage, batch: Any, batch_idx: int) -> None:
        nonlocal left
        if left == 0:
            raise PowerCutError
        left -= 1

    with monkeypatch.context() as patch:
        patch.setattr(Stage, "on_train_batch_start", cut)
        for cuts in range(4 * STEPS):
            left = steps
            try:
                return train(*SETTINGS, *settings, name=name), cuts
            except PowerCutError:
                continue
    raise AssertionError("it gets no further")


@pytest.mark.parametrize(
    ("workers", "steps", "average"),
    [
        (0, 5, "0.9"),
        pytest.param(0, 1, "null", marks=pytest.mark.slow),
        pytest.param(2, 1, "0.9", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bits(
    train: Train, monkeypatch: pytest.MonkeyPatch, workers: int, steps: int, average: str
) -> None:
    """Also if the one that is killed reads packed crops, and the other one images."""
    same = (f"trainer.num_workers={workers}", f"finetune.average_decay={average}")
    whole = train(*SETTINGS, *same, "dataset.packed=false", name="whole")
    packed = (*same, "dataset.packed=true")
    run_dir, cuts = train_with_cuts(train, monkeypatch, *packed, steps=steps, name="cut")
    assert cuts >= STEPS // steps - 1
    assert "packed crops in" in (run_dir / "train.log").read_text()
    assert differences(whole, run_dir) == []
    errors = _errors(run_dir)
    (run_dir / "results.json").unlink()  # killed between model.pt and the results
    assert _errors(train(*SETTINGS, *packed, name="cut")) == errors


def _errors(run_dir: Path) -> dict[str, float]:
    results = json.loads((run_dir / "results.json").read_text())
    return {name: results[name] for name in results if name.startswith(("epe", "pa_", "mpjpe"))}


WITHOUT_NEGATIVES = ("vicreg", "barlow_twins", "simsiam", "byol")


def write_hybrid(folder: Path, parts: Sequence[str]) -> None:
    """objective=all: these objectives and relative as parts of one."""
    views = dict.fromkeys(parts, "appearance") | {"relative": "geometry"}
    defaults = [f"{part}@parts.{part}" for part in views]
    defaults += [f"/augment@parts.{part}.augment: {views[part]}" for part in views]
    defaults += ["override /augment@_global_.augment: none"]
    lines = ["defaults:", *(f"  - {line}" for line in defaults)]
    lines += ["_target_: handpose.objectives.hybrid.Hybrid", "weights:"]
    lines += [f"  {part}: null" for part in views]
    (folder / "objective").mkdir(parents=True)
    (folder / "objective" / "all.yaml").write_text("\n".join(lines))


@pytest.mark.slow
def test_objectives_without_negatives_and_a_teacher_are_resumed_in_the_same_bits(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With accumulated batches and gradient caching."""
    write_hybrid(tmp_path / "own", WITHOUT_NEGATIVES)
    settings = (
        *("objective=all", "head=none", "pretrain.gradient_cache_chunk=3"),
        *("pretrain.accumulate_grad_batches=2", "--config-dir", str(tmp_path / "own")),
    )
    whole = train(*SETTINGS, *settings, name="whole")
    run_dir, cuts = train_with_cuts(train, monkeypatch, *settings, steps=3, name="cut")
    assert cuts >= 2
    assert differences(whole, run_dir) == []
    state = torch_file.load(run_dir / "checkpoints" / "pretrain" / "last.ckpt")["state_dict"]
    teacher = [name for name in state if name.startswith("teachers.byol.network.")]
    student = [name for name in state if name.startswith("backbone.")]
    assert len(teacher) == len(student)
    weight = "network.conv1.weight"
    assert not torch.equal(state[f"teachers.byol.network.{weight}"], state[f"backbone.{weight}"])
    kept = torch_file.load(run_dir / "backbone.pt")["state_dict"]  # the student alone
    assert torch.equal(kept["conv1.weight"], state[f"backbone.{weight}"])
    assert len(kept) == len(student)


@pytest.mark.parametrize(
    ("number", "at_step", "code"),
    [
        (signal.SIGTERM, 2, 143),
        # after an epoch's last step: it is validated and saved as ever, and then it ends
        pytest.param(signal.SIGUSR2, 3, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 7, 130, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_told_to_stop_saves_and_goes_on_later(
    train: Train, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, at_step: int, code: int
) -> None:
    rare = "trainer.checkpoint_every_n_steps=null"
    whole = train(*SETTINGS, rare, name="whole")
    steps = 0

    def tell(stage: Stage, batch: Any, batch_idx: int) -> None:
        nonlocal steps
        if steps == at_step:
            os.kill(os.getpid(), number)
        steps += 1

    with monkeypatch.context() as patch:
        patch.setattr(Stage, "on_train_batch_start", tell)
        with pytest.raises(Interrupted) as stopped:
            train(*SETTINGS, rare, name="told")
    assert stopped.value.code == code
    assert steps == at_step + 1
    assert differences(whole, train(*SETTINGS, rare, name="told")) == []


@pytest.mark.slow
def test_with_batches_seen_twice_it_does_not(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(*SETTINGS, name="whole")
    monkeypatch.setattr(EpochSampler, "start_at", lambda sampler, *, epoch, sample: None)
    run_dir, _ = train_with_cuts(train, monkeypatch, steps=3, name="cut")
    assert "backbone.pt/state_dict/conv1.weight" in differences(whole, run_dir)


@pytest.mark.slow
@pytest.mark.parametrize("is_seeded", [True, False])
def test_what_a_step_draws_is_drawn_again(
    train: Train, monkeypatch: pytest.MonkeyPatch, is_seeded: bool
) -> None:
    step = Pretrainer.training_step

    def noisy(stage: Pretrainer, batch: Any, batch_idx: int) -> Tensor:
        return step(stage, batch, batch_idx) * torch.rand(())

    monkeypatch.setattr(Pretrainer, "training_step", noisy)
    if not is_seeded:
        monkeypatch.delattr(StepSeed, "on_train_batch_start")
    settings = ("head=none", "pretrain.max_epochs=1")
    whole = torch.load(train(*SETTINGS, *settings, name="whole") / "backbone.pt", weights_only=True)
    run_dir, _ = train_with_cuts(train, monkeypatch, *settings, steps=3, name="cut")
    cut = torch.load(run_dir / "backbone.pt", weights_only=True)
    assert (nested_differences(whole["state_dict"], cut["state_dict"]) == []) == is_seeded


@pytest.mark.slow
@pytest.mark.parametrize(
    "objective",
    [
        ("objective=predictive", "objective.num_keypoints=4", "pretrain.gradient_cache_chunk=3"),
        ("objective=mae", "backbone=timm", "backbone.name=test_vit", "objective.decoder_heads=2"),
    ],
)
def test_teachers_and_masks_are_those_of_a_run_that_was_never_killed(
    train: Train, monkeypatch: pytest.MonkeyPatch, objective: tuple[str, ...]
) -> None:
    settings = (*objective, "head=none", "pretrain.accumulate_grad_batches=2")
    whole = train(*SETTINGS, *settings, name="whole")
    run_dir, cuts = train_with_cuts(train, monkeypatch, *settings, steps=3, name="cut")
    assert cuts >= 2
    assert differences(whole, run_dir) == []


@pytest.mark.slow
def test_drop_path_is_drawn_the_same_after_a_kill(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("backbone=timm", "backbone.name=test_vit", "backbone.drop_path=0.3")
    whole = train(*SETTINGS, *settings, name="whole")
    run_dir, cuts = train_with_cuts(train, monkeypatch, *settings, steps=5, name="cut")
    assert cuts >= 2
    assert differences(whole, run_dir) == []
