"""Runs the missing runs of a study several at once: single runs of train.py as child processes.

A stopped run saves its state and resumes when the study is started again.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from handpose.distributed.processes import IN_SWEEP, end_with_parent, num_threads
from handpose.invocation import python_arguments
from handpose.progress import clock
from handpose.study.multiruns import Failure, command_line, on_sigterm, unfinished
from handpose.study.run_grid import Batch, Cell
from handpose.study.schedule import Schedule
from handpose.study.status import Status
from handpose.study.warm_start import ForkedRun, ForkServer

OUTPUT = "output.txt"  # in the folder of a run: what its processes have printed
GRACE = 60.0  # seconds that stopped runs have to save; a killed run resumes, but from further back
_POLL = 0.1  # seconds
_TAIL = 4096  # bytes of an output that are read for its last line
_LAUNCHER = ("hydra/launcher", "hydra.launcher")

Say = Callable[[str], None]
Process = subprocess.Popen | ForkedRun
Launch = Callable[[Sequence[str], Path], Process]


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


def refuse_launcher(overrides: Sequence[str]) -> None:
    """Refuses Hydra's launchers beside --jobs, which starts single runs.

    Raises:
        ValueError: an override is one of a launcher.
    """
    if named := [line for line in overrides if line.startswith(_LAUNCHER)]:
        raise ValueError(f"{' '.join(named)}: --jobs starts the runs itself; leave one of them out")


def single_run(status: Status, cell: Cell) -> list[str]:
    """Returns the arguments of train.py that make one cell in its folder.

    Args:
        status: the study.
        cell: one of its runs; a final one has its candidate.
    """
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


def environment(jobs: int) -> Mapping[str, str]:
    """Returns what the runs find in their environment beside the study's own.

    Args:
        jobs: number of runs at once.
    """
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(num_threads(jobs))}
    return {IN_SWEEP: "1", **threads}


@contextmanager
def launcher(jobs: int) -> Iterator[Launch]:
    """Gives a function that starts runs: forks on Linux, else new interpreters.

    Args:
        jobs: number of runs at once.
    """
    own = environment(jobs)
    if sys.platform != "linux":  # elsewhere a fork of a large program is not safe
        yield partial(start_interpreter, own)
        return
    server = ForkServer(own)
    try:
        yield server.start
    finally:
        server.close()


def start_interpreter(
    own: Mapping[str, str], arguments: Sequence[str], output: Path
) -> subprocess.Popen:
    """Starts train.py in a new interpreter.

    Args:
        own: its environment, beside that of this process.
        arguments: of train.py.
        output: file that its output is appended to.
    """
    with output.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, *python_arguments("train"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **own},
            start_new_session=True,  # Ctrl-C reaches this process alone, which then stops them
            preexec_fn=end_with_parent,
        )


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
    say(f"{len(schedule.waiting)} runs left, {jobs} at once, {_threads(jobs)} threads each")
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
                say(f"stopping {len(pool.running)} runs, which save their state")
            pool.stop()
    reasons |= {job.cell.folder: "stopped; the same command resumes it" for job in pool.running}
    return Outcome(unfinished(status, reasons), is_stopped)


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
