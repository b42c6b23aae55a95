"""Cells that differ only downstream: one pre-training, and each as if it were its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from handpose.training.meters import TIMED
from handpose.training.pretrainer import Pretrainer

CELLS = ("objective=contrastive", "trainer.caps.samples=16")


@pytest.fixture
def pretrainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with each pre-training that begins."""
    begun: list[str] = []
    monkeypatch.setattr(
        Pretrainer, "on_train_start", lambda stage: begun.append(stage.stage), raising=False
    )
    return begun


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return torch.load(run_dir / "backbone.pt", weights_only=True)["state_dict"]


def untimed_curves(run_dir: Path) -> list[str]:
    rows = [row for row in (run_dir / "metrics.csv").read_text().splitlines() if "pretrain/" in row]
    assert any("step_loss" in row for row in rows)
    return [row for row in rows if not row.split(",")[2].endswith(TIMED)]


def pretext(run_dir: Path) -> dict[str, Any]:
    results = json.loads((run_dir / "results.json").read_text())
    return {name: value for name, value in results.items() if name.startswith("pretext_")}


def test_two_heads_share_what_each_would_have_trained(
    sweep: Callable[..., tuple[int, Path]],
    train: Callable[..., Path],
    pretrainings: list[str],
    tmp_path: Path,
) -> None:
    own_cache = f"paths.cache={tmp_path / 'cache'}"
    code, folder = sweep(*CELLS, own_cache, "head=regression,heatmap")
    assert (code, len(pretrainings)) == (0, 1)
    alone = train(*CELLS, own_cache, "head=heatmap", name="alone")
    assert len(pretrainings) == 2  # a single run asks for no one else's
    cells = sorted(path.parent for path in folder.glob("*/results.json"))
    assert len(cells) == 2
    for cell in cells:
        assert all(torch.equal(value, weights(alone)[k]) for k, value in weights(cell).items())
        assert pretext(cell) == pretext(alone)
        assert untimed_curves(cell) == untimed_curves(alone)
    (heatmap,) = [cell for cell in cells if "heatmap" in cell.name]
    origins = [torch.load(cell / "backbone.pt", weights_only=True)["meta"] for cell in cells]
    makers = [origin["provenance"].get("encoder") for origin in origins]
    assert makers.count(None) == 1  # one has trained it, the other names that session
    (maker,) = filter(None, makers)
    assert maker["data"]["pretrain"] == origins[0]["provenance"]["data"]["pretrain"]
    assert maker["sessions"][0]["started"] in {
        origin["provenance"]["sessions"][0]["started"] for origin in origins
    }
    models = [torch.load(run / "model.pt", weights_only=True) for run in (heatmap, alone)]
    ours, theirs = (model["state_dict"] for model in models)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())

    train(*CELLS, own_cache, "pretrain.share=true", "head=regression", name="asked")
    assert len(pretrainings) == 2


def test_a_pre_training_that_fails_is_not_repeated_by_every_cell(
    sweep: Callable[..., tuple[int, Path]],
    pretrainings: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def diverge(stage: Pretrainer) -> None:
        raise ValueError("pre-training diverged")

    own_cache = f"paths.cache={tmp_path / 'cache'}"
    monkeypatch.setattr(Pretrainer, "on_train_end", diverge, raising=False)
    code, folder = sweep(*CELLS, own_cache, "head=regression,heatmap")
    assert (code, len(pretrainings)) == (1, 1)
    first, second = json.loads((folder / "sweep.json").read_text())["cells"]
    assert first["reason"] == "pre-training diverged"
    assert second["reason"].endswith("pre-training diverged")
    (failed,) = (tmp_path / "cache" / "encoders").glob("*/failed.txt")
    assert f"delete {failed}" in (folder / second["cell"] / "failure.txt").read_text()
