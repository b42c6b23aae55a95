"""Starts the missing runs of a study: multiruns of train.py, one after the other."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from filelock import FileLock, Timeout

from handpose.invocation import python_arguments, typed
from handpose.study.run_grid import STAGES, Cell, Stage, batches
from handpose.study.status import Status

# Runs train.py with these arguments; returns its exit code.
Start = Callable[[Sequence[str]], int]


class Failure(NamedTuple):
    """A cell without results."""

    folder: str
    reason: str


def command_line(arguments: Sequence[str]) -> str:
    """Returns a run or a multirun as a user types it."""
    return shlex.join([*typed("train"), *arguments])


def start_process() -> Start:
    """Returns a function that prints and runs a command in a child process.

    SIGTERM and Ctrl-C end the child too.
    """

    def start(arguments: Sequence[str]) -> int:
        print(f"\n$ {command_line(arguments)}", flush=True)
        with subprocess.Popen([sys.executable, *python_arguments("train"), *arguments]) as process:
            try:
                return process.wait()
            except BaseException:
                process.terminate()  # a run resumes from its last finished epoch
                raise

    signal.signal(signal.SIGTERM, _stop)
    return start


@contextmanager
def on_sigterm() -> Iterator[None]:
    """Raises SystemExit in the block at SIGTERM."""
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Locks the folder of a study.

    Raises:
        ValueError: another live process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise ValueError(f"{folder} is in use by a live study; wait for it") from None
    try:
        yield
    finally:
        lock.release()


def run_study(status: Status, start: Start) -> list[Failure]:
    """Runs every missing cell that can start. A failure does not stop the other cells.

    Args:
        status: the study.
        start: function that runs one command.

    Returns:
        The cells that are not finished at the end.
    """
    reasons: dict[str, str] = {}
    for stage in STAGES:
        missing = [cell for cell in _missing(status, stage) if not status.waits_for(cell)]
        if missing:
            reasons |= _make(status, missing, start)
            status.find_changed()  # the chosen settings may have changed
    return unfinished(status, reasons)


def _missing(status: Status, stage: Stage) -> list[Cell]:
    cells = status.cells(stage)
    return [cell for cell in cells if not status.is_finished(cell) and cell not in status.changed]


def _make(status: Status, cells: list[Cell], start: Start) -> dict[str, str]:
    """Runs these cells; returns the failed folders with the reason."""
    reasons: dict[str, str] = {}
    queue = batches(cells)
    while queue:
        batch = queue.pop(0)
        before = {cell: _trace(status, cell) for cell in batch.cells}
        code = start(status.grid.multirun(batch))
        left = [cell for cell in batch.cells if not status.is_finished(cell)]
        # If one cell killed the whole command, the others are tried again.
        reached = [cell for cell in left if _trace(status, cell) != before[cell]] or left[:1]
        reasons |= {cell.folder: f"failed, exit code {code}" for cell in reached}
        queue[:0] = batches(cell for cell in left if cell not in reached)
    return reasons


def _trace(status: Status, cell: Cell) -> int:
    """Returns the newest modification time in the cell's folder, in ns."""
    files = (status.folder / cell.folder).rglob("*")
    return max((file.stat().st_mtime_ns for file in files), default=0)


def unfinished(status: Status, reasons: Mapping[str, str]) -> list[Failure]:
    """Returns the unfinished cells, each with the reason.

    Args:
        status: the study.
        reasons: folder -> the reason, where it is known.
    """
    cells = [cell for stage in STAGES for cell in status.cells(stage)]
    return [
        Failure(cell.folder, _why(status, cell, reasons.get(cell.folder)))
        for cell in cells
        if not status.is_finished(cell)
    ]


def _why(status: Status, cell: Cell, reason: str | None) -> str:
    if cell in status.changed:
        return f"run with other settings: {'; '.join(status.changed[cell])}"
    if reason:
        return reason
    waits = status.waits_for(cell)
    return f"waits for {waits}" if waits else "not run yet"


def describe_plan(status: Status) -> list[str]:
    """Returns lines that say what is finished and missing, and the commands to come."""
    lines = []
    for stage in STAGES:
        cells, missing = status.cells(stage), _missing(status, stage)
        done = sum(map(status.is_finished, cells))
        lines.append(f"# {stage}: {done} of {len(cells)} finished, {len(missing)} to run")
        for batch in batches(missing):
            if any(map(status.is_open, batch.cells)):
                lines.append("# and the overrides of the candidate that tune/ will choose:")
            lines.append(command_line(status.grid.multirun(batch)))
    return lines


def changed_lines(status: Status) -> list[str]:
    """Returns a line for each cell that was run with other settings."""
    return [f"{cell.folder}: {'; '.join(how)}" for cell, how in status.changed.items()]
