"""Adaptive sweeps of real runs: six trials, failures, and a study that is killed and resumed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from network_guard import python_path

optuna = pytest.importorskip("optuna")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
OPTUNA = ("hydra/sweeper=optuna", "hydra.sweeper.sampler=random")
SPACE = ("finetune.label_fraction=interval(0.3,1.0)", "head=heatmap,regression")
SMALL = ("trainer=debug", "dataset.image_size=32", "trainer.caps.samples=16", "report=false")


def table(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "sweep.json").read_text())


def states(folder: Path) -> list[str]:
    """The states of the trials of the only study in a sweep's folder."""
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    (study,) = storage.get_all_studies()
    return [trial.state.name for trial in storage.get_all_trials(study._study_id)]


def test_six_trials_end_in_a_table_and_share_an_encoder(
    sweep: Callable[..., tuple[int, Path]], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    cache = tmp_path / "cache"
    arguments = (*OPTUNA, *SPACE, "trainer.caps.samples=16", f"paths.cache={cache}")
    code, folder = sweep(*arguments, "hydra.sweeper.n_trials=6")
    assert code == 0
    content = table(folder)
    values = {cell["cell"]: cell["value"] for cell in content["cells"]}
    assert len(values) == content["counts"]["finished"] == 6
    assert content["best"] == min(values, key=lambda name: values[name])
    results = json.loads((folder / content["best"] / "results.json").read_text())
    assert values[content["best"]] == results["val_pa_epe_mm"]
    said = capsys.readouterr().out
    assert "Sorted by val_pa_epe_mm of the validation split" in said
    assert [line for line in said.splitlines() if line.lstrip().startswith("best ")]
    for name in values:  # what differs, and the study
        assert name.startswith("finetune.label_fraction-0.")
        assert "head-" in name
        assert len(name) < 60
    assert len(list(cache.glob("encoders/*/encoder.pt"))) == 1
    assert states(folder) == ["COMPLETE"] * 6
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*/results.json")}
    assert sweep(*arguments, "hydra.sweeper.n_trials=7")[0] == 0  # one trial more
    assert states(folder) == ["COMPLETE"] * 7
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_failed_trial_counts_as_failed_and_the_study_continues(
    sweep: Callable[..., tuple[int, Path]], tmp_path: Path
) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"no weights")
    space = (f"backbone.weights=null,{weights}", "finetune.label_fraction=interval(0.3,1.0)")
    own = ("objective=none", "head=regression", "trainer.caps.samples=16")
    code, folder = sweep(*OPTUNA, *space, *own, "hydra.sweeper.n_trials=4")
    assert code == 1
    found = states(folder)
    assert set(found) == {"COMPLETE", "FAIL"}
    assert len(found) == 4
    cells = {cell["status"]: cell for cell in table(folder)["cells"]}
    assert str(weights) in cells["failed"]["reason"]
    assert cells["finished"]["value"] is not None
    strict = "hydra.sweeper.max_failure_rate=0.0"
    assert sweep(*OPTUNA, *space, *own, "hydra.sweeper.n_trials=4", strict)[0] == 1
    tried = [state for state in states(folder) if state != "WAITING"]
    assert len(tried) == 5  # the first failed one again, and no more


def test_a_killed_study_resumes_with_joblib_and_trains_no_trial_twice(
    train_process: Callable[..., subprocess.CompletedProcess], cache: Path, tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    folder = tmp_path / "sweep"
    command = ("-m", *OPTUNA, *SMALL, *SPACE, "objective=none", f"hydra.sweep.dir={folder}")
    command = (*command, "hydra.sweeper.n_trials=4")
    driver = subprocess.Popen(
        [sys.executable, "train.py", *command, f"paths.cache={cache}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": python_path(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 300
    while len(list(folder.glob("*/results.json"))) < 2 or len(list(folder.glob("*/.lock"))) < 3:
        assert time.monotonic() < end, "stuck"
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    assert states(folder).count("RUNNING") == 1
    begun = {path: path.stat().st_mtime_ns for path in folder.glob("*/results.json")}
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweeper.n_jobs=2")
    done = train_process(*command, *joblib)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {path: path.stat().st_mtime_ns for path in begun} == begun
    assert table(folder)["counts"] == {"cells": 4, "finished": 4, "failed": 0, "unfinished": 0}
    assert sorted(states(folder)) == ["COMPLETE"] * 4 + ["FAIL"]  # the killed one, then again
