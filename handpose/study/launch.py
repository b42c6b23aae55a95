"""Starts what a study lacks: multiruns of train.py, one after the other."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from filelock import FileLock, Timeout

from handpose.study.commands import multirun
from handpose.study.plan import STAGES, Cell, batches
from handpose.study.progress import Progress

# Runs train.py with these arguments; returns its exit code.
Start = Callable[[Sequence[str]], int]


class Failure(NamedTuple):
    """A cell without results after all was tried."""

    folder: str
    reason: str


def shown(train: str, arguments: Sequence[str]) -> str:
    """A command as it is typed."""
    return shlex.join(["python", train, *arguments])


def start_process(train: Path) -> Start:
    """Prints and runs each command in a process of its own, which ends when this one is told to."""

    def start(arguments: Sequence[str]) -> int:
        print(f"\n$ {shown(str(train), arguments)}", flush=True)
        with subprocess.Popen([sys.executable, str(train), *arguments]) as process:
            try:
                return process.wait()
            except BaseException:
                process.terminate()  # a run resumes from its last finished epoch
                raise

    signal.signal(signal.SIGTERM, _stop)
    return start


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keeps a study's folder for this process.

    Raises:
        ValueError: another live process has it.
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


def run_study(progress: Progress, start: Start) -> list[Failure]:
    """Makes every cell that is missing and can be made; what fails does not stop the others.

    Returns:
        The cells that are not finished at the end.
    """
    reasons: dict[str, str] = {}
    for stage in STAGES:
        missing = [cell for cell in progress.cells(stage) if _can_start(progress, cell)]
        if missing:
            reasons |= _make(progress, missing, start)
            progress.find_changed()  # a choice of settings may be another one now
    return unfinished(progress, reasons)


def _can_start(progress: Progress, cell: Cell) -> bool:
    is_open = not progress.is_finished(cell) and cell not in progress.changed
    return is_open and not progress.waits_for(cell)


def _make(progress: Progress, cells: list[Cell], start: Start) -> dict[str, str]:
    """Runs these cells; returns why those failed that did."""
    reasons: dict[str, str] = {}
    queue = batches(cells)
    while queue:
        batch = queue.pop(0)
        before = {cell: _trace(progress, cell) for cell in batch.cells}
        code = start(multirun(progress.study, batch, progress.extra))
        left = [cell for cell in batch.cells if not progress.is_finished(cell)]
        # One that ended the whole command kept it from others, which are left as they were.
        reached = [cell for cell in left if _trace(progress, cell) != before[cell]] or left[:1]
        reasons |= {cell.folder: f"failed, exit code {code}" for cell in reached}
        queue[:0] = batches(cell for cell in left if cell not in reached)
    return reasons


def _trace(progress: Progress, cell: Cell) -> int:
    """Changes when a run works in the cell's folder: the newest time of its files, in ns."""
    files = (progress.folder / cell.folder).rglob("*")
    return max((file.stat().st_mtime_ns for file in files), default=0)


def unfinished(progress: Progress, reasons: dict[str, str]) -> list[Failure]:
    """The cells that are not finished, each with the reason; `reasons` by folder come first."""
    cells = [cell for stage in STAGES for cell in progress.cells(stage)]
    return [
        Failure(cell.folder, reasons.get(cell.folder) or _why(progress, cell))
        for cell in cells
        if not progress.is_finished(cell)
    ]


def _why(progress: Progress, cell: Cell) -> str:
    if cell in progress.changed:
        return f"run by another plan: {'; '.join(progress.changed[cell])}"
    waits = progress.waits_for(cell)
    return f"waits for {waits}" if waits else "not run yet"


def describe_plan(progress: Progress, train: str) -> list[str]:
    """Lines that say what is finished, what is missing, and the commands that will make it."""
    lines = []
    for stage in STAGES:
        cells = progress.cells(stage)
        missing = [c for c in cells if not progress.is_finished(c) and c not in progress.changed]
        done = sum(map(progress.is_finished, cells))
        lines.append(f"# {stage}: {done} of {len(cells)} finished, {len(missing)} to run")
        for batch in batches(missing):
            is_open = any(map(progress.is_open, batch.cells))
            lines += ["# and the overrides of the candidate that is chosen by then:"] * is_open
            lines.append(shown(train, multirun(progress.study, batch, progress.extra)))
    return lines


def changes(progress: Progress) -> list[str]:
    """A line for each cell that was run by another plan, and how that differs."""
    return [f"{cell.folder}: {'; '.join(how)}" for cell, how in progress.changed.items()]
