"""Runs the missing runs of a study several at once: child processes, or Slurm jobs.

A stopped child process saves its state and resumes when the study is started again. With
hydra/launcher=slurm, a child process submits one job and waits for it; jobs are not stopped.
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from handpose.distributed.processes import num_threads
from handpose.pipeline.run_directory import FAILURE
from handpose.progress import clock
from handpose.study.child_processes import Launch, Process
from handpose.study.multiruns import Failure, command_line, on_sigterm, unfinished
from handpose.study.run_grid import Batch, Cell
from handpose.study.schedule import Schedule
from handpose.study.status import Status

OUTPUT = "output.txt"  # in the folder of a run: what its processes have printed
GRACE = 60.0  # seconds that stopped runs have to save; a killed run resumes, but from further back
_POLL = 0.1  # seconds
_TAIL = 4096  # bytes of an output that are read for its last line
_LAUNCHER, _SLURM = ("hydra/launcher", "hydra.launcher"), "hydra/launcher=slurm"

Say = Callable[[str], None]


class Outcome(NamedTuple):
    """How a study ended in this process.

    Attributes:
        failures: the runs that are not finished, with the reasons.
        is_stopped: whether the time was over before all runs had been tried.
    """

    failures: list[Failure]
    is_stopped: bool


class Job(NamedTuple):
    """A run of the study as a child process."""

    cell: Cell
    process: Process
    since: float  # time.monotonic()


def refuse_launcher(overrides: Sequence[str], minutes: float | None = None) -> None:
    """Refuses Hydra's launchers beside --jobs, except Slurm's, and a limit for Slurm jobs.

    Args:
        overrides: of all runs.
        minutes: limit for the runs of this machine.

    Raises:
        ValueError: an override is one of another launcher, or Slurm jobs have a limit here.
    """
    if _SLURM in overrides:
        if minutes is not None:
            raise ValueError(f"{_SLURM}: --minutes does not stop Slurm jobs; leave it out")
    elif named := [line for line in overrides if line.startswith(_LAUNCHER)]:
        raise ValueError(
            f"{' '.join(named)}: --jobs starts the runs itself; leave one of them out, or use "
            f"{_SLURM}"
        )


def uses_slurm(status: Status) -> bool:
    """Tells whether the runs are Slurm jobs."""
    return _SLURM in (*status.study.common, *status.grid.extra)


def single_run(status: Status, cell: Cell) -> list[str]:
    """Returns the arguments of train.py that make one cell in its folder.

    Args:
        status: the study.
        cell: one of its runs; a final one has its candidate.
    """
    if uses_slurm(status):  # a multirun of one run, which waits for its job
        return status.grid.multirun(Batch.of(cell))
    name = status.study.name
    return [
        *status.grid.overrides(Batch.of(cell)),
        f"sweep={name}",
        f"hydra.run.dir=${{paths.runs}}/studies/{name}/{cell.folder}",
    ]


@dataclass
class Pool:
    """The runs that are running now.

    Attributes:
        status: the study.
        size: largest number of runs at once.
        launch: starts train.py with these arguments and appends its output to this file.
        running: the child processes.
    """

    status: Status
    size: int
    launch: Launch
    running: list[Job] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Tells whether no further run can start."""
        return len(self.running) >= self.size

    def start(self, cell: Cell) -> None:
        """Starts a run. Its output is appended to a file in its folder.

        Args:
            cell: the run.
        """
        folder = self.status.folder / cell.folder
        folder.mkdir(parents=True, exist_ok=True)
        process = self.launch(single_run(self.status, cell), folder / OUTPUT)
        self.running.append(Job(cell, process, time.monotonic()))

    def ended(self) -> list[Job]:
        """Removes and returns the runs that have ended."""
        over = [job for job in self.running if job.process.poll() is not None]
        self.running = [job for job in self.running if job not in over]
        return over

    def stop(self) -> None:
        """Lets all runs save their state and end; kills those that take too long."""
        try:
            for job in self.running:
                job.process.terminate()
            deadline = time.monotonic() + GRACE
            for job in self.running:
                job.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:  # also after a second Ctrl-C
            for job in self.running:
                job.process.kill()
                job.process.wait()


def run_jobs(
    status: Status,
    launch: Launch,
    *,
    jobs: int,
    minutes: float | None = None,
    say: Say | None = None,
) -> Outcome:
    """Runs every missing cell, several at once. A failure does not stop the others.

    Args:
        status: the study.
        launch: see `launcher`.
        jobs: number of runs at once.
        minutes: time after which all runs are stopped; None for no limit.
        say: takes each line of the terminal; None for `print`.
    """
    say = say or _say
    schedule, pool, reasons = Schedule(status), Pool(status, jobs, launch), dict[str, str]()
    deadline = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    each = "as Slurm jobs" if uses_slurm(status) else f"{_threads(jobs)} threads each"
    say(f"{len(schedule.waiting)} runs left, {jobs} at once, {each}")
    with on_sigterm():
        try:
            _fill(pool, schedule, say)
            while pool.running and time.monotonic() < deadline:
                time.sleep(_POLL)
                for job in (over := pool.ended()):
                    _note(job, pool, schedule, reasons, say)
                if over:  # only the end of a run lets others start
                    _fill(pool, schedule, say)
            is_stopped = bool(pool.running)
        finally:
            if pool.running:
                say(_farewell(len(pool.running), on_slurm=uses_slurm(status)))
            pool.stop()
    reasons |= {job.cell.folder: "stopped; the same command resumes it" for job in pool.running}
    failures = unfinished(status, reasons)
    return Outcome(failures, is_stopped and bool(failures))  # the last ones may have ended in time


def _farewell(count: int, *, on_slurm: bool) -> str:
    if on_slurm:
        return (
            f"{count} Slurm jobs continue: wait for them, or end them with scancel (their numbers "
            f"are in each {OUTPUT}), before the same command resumes the study"
        )
    return f"stopping {count} runs, which save their state"


def _fill(pool: Pool, schedule: Schedule, say: Say) -> None:
    """Starts runs while there is room and one can start."""
    while not pool.is_full and (cell := schedule.next()) is not None:
        pool.start(cell)
        say(f"started   {cell.folder}")


def _note(job: Job, pool: Pool, schedule: Schedule, reasons: dict[str, str], say: Say) -> None:
    """Prints how a run ended, and keeps the reason of a failure."""
    folder, code = job.cell.folder, job.process.returncode
    left = len(schedule.waiting) + len(pool.running)
    took = f"{clock(time.monotonic() - job.since)}, {left} left"
    if schedule.status.is_finished(job.cell):
        say(f"finished  {folder}: {took}")
        schedule.finish(job.cell)
        return
    output = schedule.status.folder / folder / OUTPUT
    if uses_slurm(schedule.status) and output.with_name(FAILURE).exists():
        output = output.with_name(FAILURE)  # what the job has said; the output is of its driver
    reasons[folder] = f"failed, exit code {code}; see {output}"
    say(f"FAILED    {folder}: {took}, exit code {code}: {_last_line(output)}\n  see {output}")


def _last_line(path: Path) -> str:
    """Returns the last line of a file that is not empty."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


def _say(line: str) -> None:
    print(f"{datetime.now():%H:%M:%S}  {line}", flush=True)


def _threads(jobs: int) -> str:
    return os.environ.get("OMP_NUM_THREADS") or str(num_threads(jobs))


def describe_jobs(status: Status) -> list[str]:
    """Returns lines that say how many runs are missing, and the command of each by priority."""
    schedule = Schedule(status)
    lines = [f"# {len(schedule.waiting)} single runs to start, in this order"]
    for cell in map(schedule.with_choice, schedule.waiting):
        if status.is_open(cell):
            lines.append("# and the overrides of the candidate that tune/ will choose:")
        lines.append(command_line(single_run(status, cell)))
    return lines
