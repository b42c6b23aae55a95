"""A run that is evaluated on another dataset than it is fine-tuned on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handpose.config.stored import check_evaluation
from handpose.evaluation.command import main as evaluate
from handpose.pipeline.evaluate_run import evaluate_finished
from handpose.pipeline.run_directory import finished_config
from handpose.training.meters import TIMED

APART = ("dataset@evaluate.dataset=synthetic", "evaluate.dataset.image_size=32")
APART += ("evaluate.dataset.seed=3", "evaluate.dataset.num_test=12")
OTHERS = ("evaluate_seconds", "provenance", *TIMED)


def _read(folder: Path, name: str = "results") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return content


def _again(run_dir: Path, *overrides: str) -> dict[str, Any]:
    cfg = check_evaluation(finished_config(run_dir), overrides)
    return evaluate_finished(cfg, run_dir)[0]


def _same(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names of equal numbers; the test fails if another number differs."""
    names = [name for name in one.keys() & other.keys() if not name.endswith(OTHERS)]
    assert {name: one[name] for name in names} == {name: other[name] for name in names}
    return names


@pytest.mark.slow
def test_a_run_measured_on_another_dataset(train: Callable[..., Path]) -> None:
    settings = ("objective=none", "backbone=resnet18_half")
    beside = train(*settings, name="beside")
    run_dir = train(*settings, *APART, "report=true")
    results, own = _read(run_dir), _read(beside)
    for name in ("val_pa_epe_mm", "n_calibration"):
        assert results[name] == own[name], "validation and calibration stay with fine-tuning"
    assert results["n_test"] == 12
    assert results["pa_epe_mm"] != own["pa_epe_mm"]
    assert (results["dataset"], results["split"]) == ("synthetic", "test")
    assert "dataset" not in own
    data = results["provenance"]["data"]
    assert set(data["finetune"]) == {"train", "val"}
    assert data["evaluate"]["test"]["samples"] == 12
    fingerprint = data["evaluate"]["test"]["fingerprint"]
    assert fingerprint != own["provenance"]["data"]["finetune"]["test"]["fingerprint"]
    report = (run_dir / "report.html").read_text()
    assert "Results on the test split of synthetic" in report
    assert "test split of synthetic, 32 px crops" in report

    evaluate([str(run_dir)])
    again = _read(run_dir / "evaluations" / "synthetic", "evaluation-synthetic")
    assert len(_same(results, again)) > 20, "by default, that of the run"
    moved = _again(beside, *APART)
    assert len(_same(results, moved)) > 20, "the model of the same training"
    assert moved["provenance"]["data"]["evaluate"]["test"]["fingerprint"] == fingerprint
    one = _again(beside, *(line.replace("evaluate.dataset", "dataset") for line in APART[2:]))
    assert (one["pa_epe_mm"], one["n_test"]) == (results["pa_epe_mm"], 12)
    assert one["mean_pose_pa_epe_mm"] != results["mean_pose_pa_epe_mm"], "of its training hands"
