"""The place of a run in a sweep or study, by which trackers group and name it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from handpose.distributed.processes import IN_SWEEP
from handpose.loggers.naming import SweepPlace
from handpose.pipeline.run_loggers import sweep_cell


@pytest.fixture
def hydra(monkeypatch: pytest.MonkeyPatch) -> Any:
    own = SimpleNamespace(
        mode=RunMode.MULTIRUN, overrides=SimpleNamespace(task=["seed=5", "head=regression"])
    )
    monkeypatch.setattr(HydraConfig, "get", lambda: own)
    return own


def test_a_single_run_has_none(hydra: Any, tmp_path: Path) -> None:
    hydra.mode = RunMode.RUN
    assert sweep_cell("sweep", tmp_path) is None


def test_what_varies_is_what_the_driver_did_not_set(hydra: Any, tmp_path: Path) -> None:
    run_dir = tmp_path / "first" / "seed-5"
    run_dir.mkdir(parents=True)
    assert sweep_cell("first", run_dir) == SweepPlace(
        "first", "seed-5", ["seed=5", "head=regression"]
    )
    driver = {"hydra": {"overrides": {"task": ["seed=5,6", "head=regression"]}}}
    OmegaConf.save(OmegaConf.create(driver), run_dir.parent / "multirun.yaml")
    assert sweep_cell("first", run_dir) == SweepPlace("first", "seed-5", ["seed=5"])
    hydra.overrides.task = ["logger=wandb", "paths.cache=/x", "report=false", "optimizer.lr=0.1"]
    assert sweep_cell("first", run_dir) == SweepPlace(
        "first", "seed-5", ["logger=wandb", "optimizer.lr=0.1"]
    )


def test_a_process_of_a_cell_is_in_the_sweep(
    hydra: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hydra.mode = RunMode.RUN
    monkeypatch.setenv(IN_SWEEP, "1")
    found = sweep_cell("first", tmp_path / "elsewhere" / "cell")
    assert found is not None
    assert found[:2] == ("first", "cell")


def test_a_run_of_a_study_lies_in_its_folder(hydra: Any, tmp_path: Path) -> None:
    folder = "runs/relative/heatmap/labels-0.05/seed-5"
    found = sweep_cell("rates", tmp_path / "studies" / "rates" / folder)
    assert found is not None
    assert found[:2] == ("rates", folder)
