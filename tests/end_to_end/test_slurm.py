"""Sweeps through a real Slurm of the tests' own; skipped where Slurm is not installed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from local_slurm import LocalSlurm

pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
pytestmark = [pytest.mark.slow, pytest.mark.serial]

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("trainer=debug", "dataset.image_size=32", "trainer.caps.samples=16", "report=false")
CELL = "${hydra.runtime.choices.objective}-${hydra.runtime.choices.head}"
STUCK = 300  # seconds


class Queue:
    """Sweeps whose cells are called OBJECTIVE-HEAD, unless told otherwise."""

    def __init__(self, slurm: LocalSlurm, root: Path) -> None:
        self.slurm, self.folder, self.cache = slurm, root / "sweep", root / "cache"
        self.drivers: list[subprocess.Popen] = []

    def start(self, *overrides: str, cell: str = CELL) -> subprocess.Popen:
        places = (
            f"paths.cache={self.cache}",
            f"hydra.sweep.dir={self.folder}",
            f"hydra.sweep.subdir={cell}",
        )
        driver = subprocess.Popen(
            [sys.executable, "train.py", "-m", "hydra/launcher=slurm", *SMALL, *places, *overrides],
            cwd=ROOT,
            env={**self.slurm.env, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        self.drivers.append(driver)
        return driver

    def run(self, *overrides: str) -> int:
        """The exit code of a sweep."""
        return self.start(*overrides).wait(timeout=STUCK)

    def table(self) -> dict[str, Any]:
        return json.loads((self.folder / "sweep.json").read_text())

    def status(self) -> dict[str, str]:
        return {cell["cell"]: cell["status"] for cell in self.table()["cells"]}

    def encoders(self) -> list[Path]:
        return list(self.cache.glob("encoders/*/encoder.pt"))

    def makers(self) -> list[str]:
        """The names of the cells that began an encoder, in order."""
        files = self.cache.glob("encoders/*/makers.txt")
        return [Path(line).name for file in files for line in file.read_text().splitlines()]

    def job(self, cell: str) -> dict[str, str]:
        """The running job that works in a cell's folder, by scontrol's keys."""
        running = [job for job in self.slurm.jobs() if job["JobState"] == "RUNNING"]
        (found,) = [job for job in running if self._works_in(job["JobId"], cell)]
        return found

    def _works_in(self, job: str, cell: str) -> bool:
        """Whether a process of the job has the lock of the cell's folder open."""
        lock = (self.folder / cell / ".lock").resolve()
        for pid in self.slurm.processes(job):
            for handle in Path(f"/proc/{pid}/fd").iterdir():
                if handle.exists() and handle.resolve() == lock:
                    return True
        return False


def name(job: dict[str, str]) -> str:
    """What scontrol and scancel call one job of an array; by its JobId the last one is them all."""
    return f"{job['ArrayJobId']}_{job['ArrayTaskId']}" if "ArrayJobId" in job else job["JobId"]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + STUCK
    while not holds():
        assert time.monotonic() < end, "stuck"
        time.sleep(0.1)


@pytest.fixture
def queue(slurm: LocalSlurm, tmp_path: Path) -> Iterator[Queue]:
    found = Queue(slurm, tmp_path)
    yield found
    for driver in found.drivers:
        driver.kill()
        driver.wait()
    slurm.ask("scancel", "-f", "-u", "root" if os.getuid() == 0 else str(os.getuid()))


def test_six_cells_two_pre_trainings_and_one_failure(queue: Queue) -> None:
    grid = ("objective=contrastive,relative,none", "head=regression,heatmap")
    blocked = queue.folder / "relative-heatmap"
    blocked.mkdir(parents=True)
    earlier = {job["JobId"] for job in queue.slurm.jobs()}
    with FileLock(blocked / ".lock"):
        assert queue.run(*grid) == 1
    assert queue.table()["counts"] == {"cells": 6, "finished": 5, "failed": 1, "unfinished": 0}
    assert queue.status()["relative-heatmap"] == "failed"
    assert "in use by a live run" in (blocked / "failure.txt").read_text()
    assert "Traceback" in (blocked / "train.log").read_text()
    until(lambda: {"RUNNING", "COMPLETING"}.isdisjoint(j["JobState"] for j in queue.slurm.jobs()))
    own = [job for job in queue.slurm.jobs() if job["JobId"] not in earlier]
    states = sorted(job["JobState"] for job in own)
    assert states == ["COMPLETED"] * 5 + ["FAILED"]  # Slurm knows it too
    assert len(queue.encoders()) == 2
    assert len(queue.makers()) == 2  # each begun once

    results = {path: path.stat().st_mtime_ns for path in queue.folder.glob("*/results.json")}
    assert len(results) == 5
    assert queue.run(*grid) == 0
    assert set(queue.status().values()) == {"finished"}
    assert len(list(queue.folder.glob("*/results.json"))) == 6
    assert {path: path.stat().st_mtime_ns for path in results} == results
    assert len(queue.makers()) == 2
    assert len(queue.slurm.jobs()) == len(earlier) + 7  # one was missing, and one was queued


def test_a_job_that_is_cancelled_is_reported_and_does_not_come_back(queue: Queue) -> None:
    before = len(queue.slurm.jobs())
    driver = queue.start("objective=none", "head=regression,heatmap", "trainer.caps.max_epochs=4")
    until(lambda: (queue.folder / "none-heatmap" / "config.json").exists())
    queue.slurm.ask("scancel", name(queue.job("none-heatmap")))
    assert driver.wait(timeout=STUCK) == 1
    assert queue.status() == {"none-regression": "finished", "none-heatmap": "failed"}
    (cell,) = [cell for cell in queue.table()["cells"] if cell["status"] == "failed"]
    assert "CANCELLED" in cell["reason"]
    assert len(queue.slurm.jobs()) == before + 2
    assert all(job["JobState"] != "RUNNING" for job in queue.slurm.jobs())


def requeued(queue: Queue, job: dict[str, str]) -> None:
    queue.slurm.ask("scontrol", "requeue", name(job))


def frozen(queue: Queue, job: dict[str, str]) -> None:
    """Until another cell has made the encoder."""
    pids = queue.slurm.processes(job["JobId"])
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: bool(queue.encoders()))
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("disturbed", [requeued, frozen])
def test_one_encoder_whatever_becomes_of_the_job_that_trains_it(
    queue: Queue, disturbed: Callable[[Queue, dict[str, str]], None]
) -> None:
    driver = queue.start(
        *("objective=contrastive", "head=regression,heatmap", "pretrain.lease_seconds=4"),
        *("pretrain.max_epochs=12", "trainer.caps.max_epochs=12", "finetune.max_epochs=1"),
    )
    until(lambda: len(list(queue.folder.glob("*/config.json"))) == 2)
    until(lambda: any(queue.folder.glob("*/checkpoints/pretrain/last.ckpt")))
    (maker,) = queue.makers()
    disturbed(queue, queue.job(maker))
    assert driver.wait(timeout=STUCK) == 0
    assert set(queue.status().values()) == {"finished"}
    assert len(queue.encoders()) == 1
    assert len(queue.makers()) == 2


def soon_out_of_time(queue: Queue, job: dict[str, str]) -> None:
    """What --signal=USR2@SECONDS sends, without a wait of minutes."""
    queue.slurm.ask("scancel", "--signal=USR2", name(job))


def preempted(queue: Queue, job: dict[str, str]) -> None:
    """By a job of a partition that goes first, and wants all of the node."""
    urgent = ("sbatch", "-p", "high", "-n", "2", "-w", job["NodeList"], "-o", "/dev/null")
    assert "Submitted" in queue.slurm.ask(*urgent, "--wrap", "sleep 1")


@pytest.mark.parametrize("disturbed", [soon_out_of_time, preempted])
def test_a_job_that_must_leave_comes_back_and_ends_in_the_same_bits(
    queue: Queue, disturbed: Callable[[Queue, dict[str, str]], None]
) -> None:
    """Two cells with the same result, of which one is disturbed; each has a node of its own."""
    driver = queue.start(
        *("objective=none", "head=regression", "trainer.num_workers=0,1", "logger=wandb_offline"),
        *("finetune.max_epochs=12", "trainer.caps.max_epochs=12", "hydra.launcher.cpus_per_task=2"),
        cell="workers-${trainer.num_workers}",
    )
    cell = queue.folder / "workers-0"
    until(lambda: (cell / "checkpoints" / "finetune" / "last.ckpt").exists())
    job = queue.job(cell.name)
    disturbed(queue, job)
    assert driver.wait(timeout=STUCK) == 0
    assert queue.status() == {"workers-0": "finished", "workers-1": "finished"}
    (after,) = [own for own in queue.slurm.jobs() if own["JobId"] == job["JobId"]]
    assert int(after["Restarts"]) == 1
    assert "goes on from here" in (cell / "train.log").read_text()
    ours, theirs = (
        torch.load(queue.folder / name / "model.pt", weights_only=True)["state_dict"]
        for name in ("workers-0", "workers-1")
    )
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    parts = [path.name.rpartition("-")[2] for path in (cell / "wandb").glob("offline-run-*")]
    assert (len(parts), len(set(parts))) == (2, 1)  # before and after, of one W&B run
