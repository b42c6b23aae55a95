"""Kills a run at random times, and starts the same command again until it is finished."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_STOP_TIMEOUT = 1800.0  # seconds for a run to end after it was told to
_END_OF_LOG = 3000  # characters
_LONGER = 1.5  # factor of the intervals after a start without progress
# Files that the next start resumes from; they are rewritten whenever the run makes progress.
_RESULTS = "results.json"
_PROGRESS = ("checkpoints/*/last.ckpt", "*.pt", _RESULTS)


class Kind(NamedTuple):
    """A way to end a run."""

    name: str
    signal: signal.Signals
    to_all: bool  # to all processes, data workers included
    codes: tuple[int, ...]  # exit codes that are right during a training
    weight: float  # relative frequency


KINDS = (
    Kind("kill -9 of all processes", signal.SIGKILL, True, (-9,), 0.4),
    Kind("kill -9 of the first one", signal.SIGKILL, False, (-9,), 0.3),
    Kind("SIGTERM", signal.SIGTERM, True, (143,), 0.15),
    Kind("SIGINT", signal.SIGINT, True, (130,), 0.15),
)


class Kill(NamedTuple):
    """How one start of the run was ended."""

    kind: Kind
    pid: int  # of its first process
    after: float  # seconds from its start
    code: int  # exit code, -n if signal n ended it
    progress: bool = False  # it wrote something that the next start resumes from
    finished: bool = False  # the results were written already


class Soaked(NamedTuple):
    """A run that finished although it was killed."""

    kills: list[Kill]
    seconds: float
    stretch: float  # largest factor by which the intervals had to be lengthened
    largest: int  # bytes of the largest checkpoint
    most_files: int  # largest number of files in a folder of checkpoints


class RunFailedError(RuntimeError):
    """The run failed by itself, or did not end when told to; with the end of its log."""


def run_undisturbed(command: Sequence[str], *, log: Path, cwd: Path | None = None) -> float:
    """Runs a command to its end and returns its seconds.

    Args:
        command: the run.
        log: file that its output is added to.
        cwd: working directory.

    Raises:
        RunFailedError: it failed.
    """
    begin = time.monotonic()
    with log.open("ab") as output:
        done = subprocess.run(command, cwd=cwd, stdout=output, stderr=output, check=False)
    if done.returncode:
        raise RunFailedError(f"the run ended with {done.returncode}{_end(log)}")
    return time.monotonic() - begin


def kill_until_finished(
    command: Sequence[str],
    run_dir: Path,
    *,
    every: tuple[float, float],
    seed: int,
    log: Path,
    cwd: Path | None = None,
) -> Soaked:
    """Starts `command` repeatedly, and kills it after a random time, until it exits with 0.

    After a start without progress the interval grows, and then shrinks again: a start-up, and the
    way to the first checkpoint, may take longer than the longest interval.

    Args:
        command: the run.
        run_dir: its directory.
        every: shortest and longest interval in seconds.
        seed: of the times and kinds of the kills.
        log: file that its output is added to.
        cwd: working directory.

    Raises:
        RunFailedError: it failed, or did not end when told to.
    """
    rng, kills, stretches = random.Random(seed), list[Kill](), [1.0]
    sizes, begin = [(0, 0)], time.monotonic()
    while True:
        (kind,) = rng.choices(KINDS, [kind.weight for kind in KINDS])
        before = _progress(run_dir)
        pause = stretches[-1] * rng.uniform(*every)
        kill = _kill_once(command, kind, pause, log=log, cwd=cwd)
        sizes.append(_checkpoint_sizes(run_dir))
        if kill is None:
            largest, most = map(max, zip(*sizes, strict=True))
            return Soaked(kills, time.monotonic() - begin, max(stretches), largest, most)
        after = _progress(run_dir)
        progress, finished = after != before, run_dir / _RESULTS in after
        kills.append(kill._replace(progress=progress, finished=finished))
        stretches.append(max(1.0, stretches[-1] * (1 / _LONGER if progress else _LONGER)))


def _kill_once(
    command: Sequence[str], kind: Kind, after: float, *, log: Path, cwd: Path | None
) -> Kill | None:
    """Starts the run and kills it after some seconds; returns None if it finished before."""
    begin = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=cwd, stdout=output, stderr=output, start_new_session=True
        )
    try:
        code = _wait(process, after)
        if code is not None:
            if code:
                raise RunFailedError(f"the run ended by itself with {code}{_end(log)}")
            return None
        seconds = time.monotonic() - begin
        with suppress(ProcessLookupError):  # it has just ended
            (os.killpg if kind.to_all else os.kill)(process.pid, kind.signal)
        code = _wait(process, _STOP_TIMEOUT)
        if code is None:
            raise RunFailedError(
                f"{kind.name} did not end the run in {_STOP_TIMEOUT:.0f} s{_end(log)}"
            )
        return Kill(kind, process.pid, seconds, code)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen, seconds: float) -> int | None:
    """Returns the exit code, or None if the process is still running."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def _progress(run_dir: Path) -> dict[Path, int]:
    """Returns when each of `_PROGRESS` was written, in ns."""
    paths = [path for pattern in _PROGRESS for path in run_dir.glob(pattern)]
    return {path: path.stat().st_mtime_ns for path in paths}


def _checkpoint_sizes(run_dir: Path) -> tuple[int, int]:
    """Returns the bytes of the largest checkpoint, and the most files in a folder of them."""
    folders = [list(folder.iterdir()) for folder in run_dir.glob("checkpoints/*")]
    sizes = [file.stat().st_size for files in folders for file in files]
    return max(sizes, default=0), max(map(len, folders), default=0)


def _end(log: Path) -> str:
    return f"; the end of {log}:\n{log.read_text(errors='replace')[-_END_OF_LOG:]}"
