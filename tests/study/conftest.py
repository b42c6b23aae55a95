"""A small study, and results as train.py would leave them."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from handpose.config.schema import register
from handpose.study.run_grid import Cell, RunGrid
from handpose.study.status import Status
from handpose.study.study_file import Study, parse_study

CONTENT: dict[str, Any] = {
    "name": "small",
    "question": "Which of two transfers better?",
    "metric": "pa_epe_mm",
    "better": "lower",
    "baseline": "none",
    "constant": "mean_pose_pa_epe_mm",
    "seeds": [5, 15, 25],
    "heads": ["regression"],
    "fractions": [0.05, 1.0],
    "common": ["dataset.num_train=40", "finetune.max_epochs=9"],
    "pretrain": {
        "common": ["pretrain.max_epochs=3"],
        "arms": {"none": None, "contrastive": ["objective=contrastive"]},
    },
    "finetune": {"common": ["finetune.max_epochs=8"]},
    "tune": {
        "seed": 1005,
        "candidates": {
            "short": ["finetune.max_epochs=4"],
            "long": ["finetune.max_epochs=16", "optimizer.lr=1.0e-4"],
        },
    },
}

# Keys of a study whose backbones have several uses.
USES: dict[str, Any] = {
    "heads": ["regression", "heatmap"],
    "conditions": {
        "across": {"finetune": ["finetune.batch_size=4"]},
        "within": {"fractions": [0.05], "seeds": [5, 25], "heads": ["heatmap"]},
        "frozen": {"finetune": ["finetune.freeze_backbone=true"], "arms": ["none"], "seeds": [5]},
    },
    "primary": {"condition": "across", "head": "heatmap", "fraction": 0.05},
    "tune": None,
}

register()


@pytest.fixture
def content() -> dict[str, Any]:
    """A study's file, to be changed at will."""
    return deepcopy(CONTENT)


@pytest.fixture
def study(content: dict[str, Any]) -> Study:
    return parse_study(content)


@pytest.fixture
def untuned(content: dict[str, Any]) -> Study:
    """The same with one setting alone."""
    return parse_study(content | {"tune": None})


@pytest.fixture
def used_content(content: dict[str, Any]) -> dict[str, Any]:
    """The file of a study with three conditions and a primary endpoint, to be changed at will."""
    return content | deepcopy(USES)


@pytest.fixture
def used(used_content: dict[str, Any]) -> Study:
    return parse_study(used_content)


@pytest.fixture
def finish(tmp_path: Path) -> Callable[..., None]:
    """finish(*cells, **numbers): leaves their results.json in the study's folder, `tmp_path`."""

    def write(*cells: Cell, **numbers: Any) -> None:
        for cell in cells:
            folder = tmp_path / cell.folder
            folder.mkdir(parents=True, exist_ok=True)
            seconds = {"pretrain_seconds": 60.0, "finetune_seconds": 30.0}
            constant = {"mean_pose_pa_epe_mm": 17.0}
            results = {"pa_epe_mm": 12.0, **seconds, **constant, **numbers}
            (folder / "results.json").write_text(json.dumps(results))

    return write


@pytest.fixture
def full(study: Study, tmp_path: Path, finish: Callable[..., None]) -> Status:
    """All of it finished: long settings are better but for `none` on few labels."""
    progress = Status(RunGrid(study), tmp_path)
    finish(*progress.cells("pretrain"))
    for cell in progress.cells("tune"):
        is_few = (cell.arm, cell.fraction) == ("none", 0.05)
        finish(cell, pa_epe_mm=10.0 if (cell.candidate == "short") == is_few else 11.0)
    for cell in progress.cells("runs"):
        gain = {("contrastive", 0.05): 2.0 + cell.seed / 100}.get((cell.arm, cell.fraction), 0.0)
        finish(cell, pa_epe_mm=12.0 + cell.seed / 10 - gain)
    return progress
