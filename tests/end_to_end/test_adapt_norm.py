"""finetune.adapt_norm and scripts/adapt_norm.py: BatchNorm statistics of other images."""

import json
import re
import runpy
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from handpose.pipeline.evaluate_run import open_finished
from handpose.pipeline.run_directory import finished_config
from handpose.pipeline.stages.evaluate import open_model
from handpose.pipeline.stages.splits import build_splits
from handpose.pipeline.stages.stage_loaders import evaluation_loader

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "adapt_norm.py"
# Images to adapt to, of other hands than those with labels.
POOL = ("dataset@pretrain.dataset=synthetic", "pretrain.dataset.image_size=32")
POOL += ("pretrain.dataset.seed=3", "pretrain.dataset.num_train=24", "evaluate.batch_size=8")


def _state(run_dir: Path) -> dict[str, Tensor]:
    return torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]


def _is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var"))


def _adapted(run_dir: Path, batches: Iterable[Any]) -> dict[str, Tensor]:
    """The statistics by hand: of each batch in training mode, then their mean."""
    cfg, _ = open_finished(run_dir)
    model = open_model(cfg, run_dir).model.eval()
    norms: dict[str, nn.Module] = {
        name: norm for name, norm in model.named_modules() if isinstance(norm, _BatchNorm)
    }
    found: dict[str, list[Tensor]] = {}
    for norm in norms.values():
        norm.train()
        norm.momentum = 1.0  # type: ignore[assignment]  # the last batch alone
    for batch in batches:
        with torch.no_grad():
            model(batch.image, batch.K)
        for name, norm in norms.items():
            for kind in ("running_mean", "running_var"):
                found.setdefault(f"{name}.{kind}", []).append(getattr(norm, kind).clone())
    return {name: torch.stack(each).mean(0) for name, each in found.items()}


def test_statistics_are_those_of_the_unlabelled_images_and_weights_stay(
    train: Callable[..., Path], tmp_path: Path
) -> None:
    settings = ("objective=none", "trainer.precision=32-true", *POOL)
    plain = train(*settings, name="plain")
    run_dir = train(*settings, "finetune.adapt_norm=20")
    results = json.loads((run_dir / "results.json").read_text())
    assert results["n_adapt_norm"] == 16  # whole batches of 8
    assert (
        results["val_pa_epe_mm"]
        == json.loads((plain / "results.json").read_text())["val_pa_epe_mm"]
    )
    before, after = _state(plain), _state(run_dir)
    for name in before:
        if name.endswith("num_batches_tracked"):
            continue
        assert torch.equal(before[name], after[name]) != _is_statistic(name), name
    cfg = OmegaConf.create(finished_config(run_dir))
    pool = build_splits(cfg, tmp_path).unlabelled["train"]
    assert (
        pool.source.fingerprint
        == results["provenance"]["data"]["adapt_norm"]["train"]["fingerprint"]
    )
    assert (np.diff(pool.indices) < 0).any()  # in random order
    for name, expected in _adapted(plain, evaluation_loader(cfg, pool)).items():
        torch.testing.assert_close(after[name], expected, rtol=1e-4, atol=1e-5)


def test_a_run_is_evaluated_as_it_is_and_adapted(
    train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("objective=none")
    weights = (run / "model.pt").read_bytes()
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(run), str(run)])
    capsys.readouterr()
    runpy.run_path(str(SCRIPT), run_name="__main__")
    out = capsys.readouterr().out
    found = re.search(r"run: ([\d.]+) mm, adapted ([\d.]+) mm\n", out)
    assert found is not None
    before, after = map(float, found.groups())
    of_run = json.loads((run / "results.json").read_text())["pa_epe_mm"]
    assert before == pytest.approx(of_run, abs=0.01)
    assert after != before
    assert f"2 runs: {before:.2f} ± 0.00 mm, adapted {after:.2f} ± 0.00 mm" in out
    assert (run / "model.pt").read_bytes() == weights


def test_no_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(SCRIPT), run_name="__main__")
