"""Sweeps without a cluster: one failing cell, the table, and the same sweep again."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from network_guard import python_path

ROOT = Path(__file__).resolve().parents[2]
CELLS = ("objective=none", "head=regression,heatmap", "trainer.caps.samples=16")


def cell_folder(sweep: Path, head: str) -> Path:
    (found,) = sweep.glob(f"*head-{head}*")
    return found


def times(folder: Path) -> dict[str, int]:
    """When the results of a cell were written."""
    return {name: (folder / name).stat().st_mtime_ns for name in ("results.json", "model.pt")}


def test_a_failed_cell_hides_no_other_and_the_same_sweep_finishes_it(
    sweep: Callable[..., tuple[int, Path]], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    code, folder = sweep(*CELLS)
    assert code == 0
    blocked, other = cell_folder(folder, "regression"), cell_folder(folder, "heatmap")
    before = times(other)
    (blocked / "results.json").unlink()

    with FileLock(blocked / ".lock"):  # the first cell: what comes after it must run all the same
        code, _ = sweep(*CELLS)
    assert code == 1
    table = json.loads((folder / "sweep.json").read_text())
    assert table["counts"] == {"cells": 2, "finished": 1, "failed": 1, "unfinished": 0}
    assert [cell["status"] for cell in table["cells"]] == ["failed", "finished"]
    assert "in use by a live run" in table["cells"][0]["reason"]
    assert "in use by a live run" in (blocked / "failure.txt").read_text()
    assert "Traceback" in (blocked / "train.log").read_text()
    assert "Traceback" not in (other / "train.log").read_text()
    assert times(other) == before
    assert "1 of 2 cells finished, 1 failed" in capsys.readouterr().out

    assert sweep(*CELLS)[0] == 0
    assert not (blocked / "failure.txt").exists()
    assert times(other) == before
    lines = (folder / "sweep.md").read_text().splitlines()
    results = json.loads((blocked / "results.json").read_text())
    (row,) = [line for line in lines if "head=regression" in line and line.startswith("|")]
    assert f"{results['pa_epe_mm']:.4g}" in row
    assert "| finished |" in row


def test_without_the_package_of_a_launcher_it_is_named_and_the_rest_is_judged(
    sweep: Callable[..., tuple[int, Path]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr("handpose.config.checks.sweeps.find_spec", lambda name: None)
    launchers = (("slurm", "submitit", "partition=gpu"), ("joblib", "joblib", "n_jobs=5"))
    for launcher, package, own in launchers:
        assert sweep(f"hydra/launcher={launcher}", f"hydra.launcher.{own}", "seed=-1")[0] == 1
        said = capsys.readouterr().err
        assert f"hydra/launcher={launcher}: needs hydra-{package}-launcher" in said
        assert '`pip install "handpose[sweep]"` (in a clone: `pip install -e ".[sweep]"`)' in said
        assert "seed" in said
        assert "2 problems" in said


def test_without_sbatch_slurm_is_refused_before_any_work(
    sweep: Callable[..., tuple[int, Path]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr("handpose.config.checks.sweeps.shutil.which", lambda name: None)
    assert sweep("hydra/launcher=slurm")[0] == 1
    assert "this machine has no sbatch" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "expected", "failed"), [(143, 143, 0), (137, 1, 2)])
def test_a_cell_of_several_processes_that_is_told_to_stop_has_not_failed(
    sweep: Callable[..., tuple[int, Path]],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    expected: int,
    failed: int,
) -> None:
    """It ends the sweep, and a Slurm job that goes back into the queue, without an error."""
    monkeypatch.setattr("handpose.pipeline.launch.start", lambda *_, in_sweep: code)
    end, folder = sweep(*CELLS, "trainer.devices=2")
    assert end == expected
    assert len(list(folder.glob("*/failure.txt"))) == failed


JOBLIB = ("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
# With workers, as by default: the processes of joblib start processes of their own.
SMALL = ("trainer=debug", "trainer.num_workers=2", "dataset.image_size=32", "report=false")


@pytest.mark.slow
def test_cells_stop_when_their_driver_is_killed_and_go_on_later(
    train_process: Callable[..., subprocess.CompletedProcess], cache: Path, tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    folder = tmp_path / "sweep"
    long = ("finetune.max_epochs=40", "trainer.caps.max_epochs=40")
    command = [*JOBLIB, *SMALL, *CELLS, *long, f"hydra.sweep.dir={folder}"]
    driver = subprocess.Popen(
        [sys.executable, "train.py", *command, f"paths.cache={cache}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": python_path(ROOT)},
    )
    until(lambda: len(list(folder.glob("*/checkpoints/finetune/last.ckpt"))) == 2)
    processes = children(driver.pid)
    assert len(processes) >= 2
    driver.kill()
    driver.wait()
    for cell in (cell_folder(folder, "regression"), cell_folder(folder, "heatmap")):
        with FileLock(cell / ".lock", timeout=60):
            assert "stopped by SIGTERM" in (cell / "train.log").read_text()
            assert not (cell / "results.json").exists()
    until(lambda: not any(process.exists() for process in processes))
    done = train_process(*command)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list(folder.glob("*/results.json"))) == 2


def children(pid: int) -> list[Path]:
    """The folders in /proc of the processes that a process has started."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [Path("/proc") / number for thread in threads for number in thread.read_text().split()]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < end, "stuck"
        time.sleep(0.1)


@pytest.mark.slow
def test_cells_in_processes_of_their_own(
    train_process: Callable[..., subprocess.CompletedProcess], tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    folder = tmp_path / "sweep"
    small = (*SMALL, f"hydra.sweep.dir={folder}")
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"no weights")
    done = train_process(*JOBLIB, *small, *CELLS[:1], f"backbone.weights=null,{weights}")
    assert done.returncode == 1, done.stderr[-3000:]
    table = json.loads((folder / "sweep.json").read_text())
    assert [cell["status"] for cell in table["cells"]] == ["finished", "failed"]
    assert str(weights) in table["cells"][1]["reason"]
