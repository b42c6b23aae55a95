"""Sweeps through a real Slurm of the tests' own; skipped where Slurm is not installed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from local_slurm import LocalSlurm
from network_guard import python_path
from run_differences import differences

pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
pytestmark = [pytest.mark.slow, pytest.mark.serial]

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("trainer=debug", "dataset.image_size=32", "trainer.caps.samples=16", "report=false")
CELL = "${hydra.runtime.choices.objective}-${hydra.runtime.choices.head}"
# How a job gets its processes: what the run is told, and what the launcher.
ONE_TASK = ()
OF_ITS_OWN = ("trainer.devices=2",)  # one task, which starts two processes itself
TWO_TASKS = ("trainer.devices=2", "hydra.launcher.tasks_per_node=2")
TWO_NODES = ("trainer.num_nodes=2", "hydra.launcher.nodes=2")
MAKER = "contrastive-regression"  # the first cell, which makes the encoder
STUCK = 600  # seconds


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
            env={**self.slurm.env, "PYTHONPATH": python_path(ROOT), "OMP_NUM_THREADS": "1"},
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

    def checkpoints(self) -> list[Path]:
        """Of encoders that are not there yet, from the second epoch on."""
        return list(self.cache.glob("encoders/*/checkpoints/pretrain/previous.ckpt"))

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


def test_an_adaptive_sweep_submits_two_trials_at_a_time(queue: Queue) -> None:
    plan = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2")
    own = ("objective=none", "head=regression", "finetune.label_fraction=interval(0.3,1.0)")
    driver = queue.start(*plan, *own, cell='"${cell_name:${hydra.job.override_dirname}}"')
    assert driver.wait(timeout=STUCK) == 0
    assert queue.table()["counts"]["finished"] == 3
    assert all(cell["value"] is not None for cell in queue.table()["cells"])


def test_a_job_that_is_cancelled_is_reported_and_does_not_come_back(queue: Queue) -> None:
    """Of two tasks, both of which are told."""
    before = len(queue.slurm.jobs())
    grid = ("objective=none", "head=regression,heatmap")
    driver = queue.start(*grid, "trainer.caps.max_epochs=4", *TWO_TASKS)
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


def soon_out_of_time(queue: Queue, job: dict[str, str]) -> None:
    """What --signal=USR2@SECONDS sends, without a wait of minutes."""
    queue.slurm.ask("scancel", "--signal=USR2", name(job))


def preempted(queue: Queue, job: dict[str, str]) -> None:
    """By a job of a partition that goes first, and wants all of the job's nodes."""
    nodes = ("-N", job["NumNodes"], "--ntasks-per-node", "2", "-w", job["NodeList"])
    urgent = queue.slurm.ask("sbatch", "-p", "high", *nodes, "-o", "/dev/null", "--wrap", "sleep 1")
    assert "Submitted" in urgent


LONG_PRE_TRAINING = (
    *("objective=contrastive", "finetune.max_epochs=1"),
    *("pretrain.max_epochs=20", "trainer.caps.max_epochs=20"),
)


def test_cells_of_one_encoder_begin_when_it_is_there(queue: Queue) -> None:
    """Whatever becomes of the job that trains it. It has a node, and the other stays free."""
    driver = queue.start(
        *(*LONG_PRE_TRAINING, "head=regression,heatmap,none", *OF_ITS_OWN),
        "hydra.launcher.cpus_per_task=2",
    )
    for count, disturbed in enumerate((requeued, preempted), start=1):
        until(lambda count=count: len(queue.makers()) == count)
        until(lambda: bool(queue.checkpoints()))
        assert [path.parent.name for path in queue.folder.glob("*/config.json")] == [MAKER]
        disturbed(queue, queue.job(MAKER))
    assert driver.wait(timeout=STUCK) == 0
    assert set(queue.status().values()) == {"finished"}
    assert (len(queue.encoders()), queue.makers()) == (1, [MAKER] * 3)


def test_if_the_maker_is_killed_another_cell_goes_on_with_its_work(queue: Queue) -> None:
    """Two that could wait for ever begin instead, and the same sweep again finishes the first."""
    grid = (*LONG_PRE_TRAINING, "head=regression,heatmap,none", "hydra.launcher.cpus_per_task=2")
    driver = queue.start(*grid)
    until(lambda: bool(queue.checkpoints()))
    for pid in queue.slurm.processes(queue.job(MAKER)["JobId"]):
        os.kill(pid, signal.SIGKILL)
    assert driver.wait(timeout=STUCK) == 1
    assert sorted(queue.status().values()) == ["failed", "finished", "finished"]
    assert queue.status()[MAKER] == "failed"
    assert (len(queue.encoders()), len(queue.makers())) == (1, 2)
    log = (queue.folder / queue.makers()[-1] / "train.log").read_text()
    assert f"pretrain, epoch {LONG_PRE_TRAINING[-1].rpartition('=')[2]} of" in log
    assert "pretrain, epoch 1 of" not in log  # not from the beginning
    assert queue.run(*grid) == 0
    assert len(queue.makers()) == 2


def test_jobs_do_without_the_command_that_sent_them(queue: Queue) -> None:
    grid = ("objective=contrastive", "head=regression,heatmap")
    driver = queue.start(*grid)
    until(lambda: bool(queue.makers()))
    driver.kill()
    until(lambda: len(list(queue.folder.glob("*/results.json"))) == 2)
    assert len(queue.makers()) == 1


def test_a_study_submits_each_run_as_a_job(queue: Queue, tmp_path: Path) -> None:
    plan = {
        "name": "tiny",
        "question": "Does a tiny pre-training help?",
        "metric": "pa_epe_mm",
        "better": "lower",
        "baseline": "none",
        "seeds": [5],
        "heads": ["regression"],
        "fractions": [1.0],
        "common": list(SMALL),
        "pretrain": {"arms": {"none": None, "contrastive": ["objective=contrastive"]}},
    }
    (tmp_path / "tiny.yaml").write_text(json.dumps(plan))  # JSON is YAML
    earlier = {job["JobId"] for job in queue.slurm.jobs()}
    places = [f"paths.runs={tmp_path / 'runs'}", f"paths.cache={queue.cache}"]
    command = ["scripts/study.py", str(tmp_path / "tiny.yaml"), "--jobs", "2", *places]
    study = subprocess.run(
        [sys.executable, *command, "hydra/launcher=slurm"],
        cwd=ROOT,
        env={**queue.slurm.env, "PYTHONPATH": python_path(ROOT)},
        capture_output=True,
        text=True,
        timeout=STUCK,
        check=False,
    )
    assert study.returncode == 0, study.stdout + study.stderr
    assert "3 runs left, 2 at once, as Slurm jobs" in study.stdout
    jobs = [job for job in queue.slurm.jobs() if job["JobId"] not in earlier]
    assert len(jobs) == 3
    folder = tmp_path / "runs" / "studies" / "tiny"
    assert (folder / "runs/contrastive/regression/labels-1.0/seed-5/results.json").is_file()
    assert (folder / "study.html").is_file()


LONG = ("objective=none", "head=regression", "finetune.max_epochs=24", "trainer.caps.max_epochs=24")


@pytest.fixture(scope="module")
def in_peace(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """in_peace(processes): the directory of a run LONG that no Slurm has to do with."""
    root = tmp_path_factory.mktemp("in_peace")

    @cache
    def run(processes: int) -> Path:
        run_dir = root / str(processes)
        places = (f"paths.cache={root / 'cache'}", f"hydra.run.dir={run_dir}")
        subprocess.run(
            [sys.executable, "train.py", *SMALL, *LONG, *places, f"trainer.devices={processes}"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": python_path(ROOT), "OMP_NUM_THREADS": "1"},
            check=True,
            timeout=STUCK,
        )
        return run_dir

    return run


@pytest.mark.parametrize(
    ("layout", "disturbances"),
    [
        (ONE_TASK, (soon_out_of_time, requeued, preempted)),
        (TWO_TASKS, (requeued, preempted)),
        (TWO_NODES, (soon_out_of_time,)),
    ],
    ids=["one-task", "two-tasks", "two-nodes"],
)
def test_a_job_that_must_leave_comes_back_and_ends_in_the_same_bits(
    queue: Queue,
    in_peace: Callable[[int], Path],
    layout: tuple[str, ...],
    disturbances: tuple[Callable[[Queue, dict[str, str]], None], ...],
) -> None:
    """Each time into its directory and its W&B run, to the step that it had come to."""
    whole = in_peace(2 if layout else 1)
    driver = queue.start(*LONG, *layout, "logger=wandb_offline", cell="cell")
    cell = queue.folder / "cell"
    for restarts, disturbed in enumerate(disturbances):
        job = at_work(queue, cell, restarts)
        disturbed(queue, job)
    assert driver.wait(timeout=STUCK) == 0
    assert queue.status() == {"cell": "finished"}
    (after,) = [own for own in queue.slurm.jobs() if own["JobId"] == job["JobId"]]
    assert int(after["Restarts"]) == len(disturbances)
    assert "is back in the queue, and resumes" in (cell / "train.log").read_text()
    assert differences(whole, cell) == []
    parts = [path.name.rpartition("-")[2] for path in (cell / "wandb").glob("offline-run-*")]
    assert (len(parts), len(set(parts))) == (1 + len(disturbances), 1)  # one W&B run


def at_work(queue: Queue, cell: Path, restarts: int) -> dict[str, str]:
    """The job of the cell, once it has been started so often again and has saved since then."""
    last = cell / "checkpoints" / "finetune" / "last.ckpt"

    def runs_again() -> bool:
        own = [job for job in queue.slurm.jobs() if job["JobState"] == "RUNNING"]
        return any(int(job["Restarts"]) == restarts for job in own if job["Partition"] == "debug")

    until(runs_again)
    before = last.stat().st_mtime_ns if last.exists() else 0
    until(lambda: last.exists() and last.stat().st_mtime_ns > before)
    return queue.job(cell.name)
