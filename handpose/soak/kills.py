"""Kills a run at random moments, and starts the same command again, until it is finished."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PATIENCE = 1800.0  # seconds in which a run that was told to stop has to
_END_OF_LOG = 3000  # characters
_LONGER = 1.5
# What a run has reached; written anew with everything that another start need not do again.
_RESULTS = "results.json"
_REACHED = ("checkpoints/*/last.ckpt", "*.pt", _RESULTS)


class Kind(NamedTuple):
    """A way to end a run.

    Attributes:
        name: as it is shown.
        number: the signal.
        to_all: whether every process gets it, its data workers too.
        codes: what a run in training may end with.
        weight: how often, relative to the other kinds.
    """

    name: str
    number: signal.Signals
    to_all: bool
    codes: tuple[int, ...]
    weight: float


KINDS = (
    Kind("kill -9 of all processes", signal.SIGKILL, True, (-9,), 0.4),
    Kind("kill -9 of the first one", signal.SIGKILL, False, (-9,), 0.3),
    Kind("SIGTERM", signal.SIGTERM, True, (143,), 0.15),
    Kind("SIGINT", signal.SIGINT, True, (130,), 0.15),
)


class Kill(NamedTuple):
    """What was done to one start of the run.

    Attributes:
        pid: of its first process.
        after: seconds from its start.
        code: its exit code, -n where signal n ended it.
        progress: whether it had reached anything that the next start found.
        finished: whether the results were there already.
    """

    kind: Kind
    pid: int
    after: float
    code: int
    progress: bool = False
    finished: bool = False


class Soaked(NamedTuple):
    """A run that is finished, in spite of all."""

    kills: list[Kill]
    seconds: float
    stretch: float  # the most that the intervals had to be lengthened by to get anywhere
    largest: int  # bytes of a checkpoint
    most_files: int  # in a folder of checkpoints


class RunFailedError(RuntimeError):
    """The run ended badly by itself, or did not end when told; with the end of what it said."""


def run_to_its_end(command: Sequence[str], *, log: Path, cwd: Path | None = None) -> float:
    """Leaves it in peace; returns the seconds that it took.

    Args:
        log: gets all that the run says.

    Raises:
        RunFailedError: see there.
    """
    begin = time.monotonic()
    with log.open("ab") as output:
        code = subprocess.run(command, cwd=cwd, stdout=output, stderr=output, check=False)
    if code.returncode:
        raise RunFailedError(f"the run ended with {code.returncode}{_end(log)}")
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
    """Starts `command` again and again, and ends it after a random time, until it says 0.

    After a start that got nowhere the next has longer, and after one that got on, less again: a
    start-up, and the way to the first checkpoint, may take more than the longest interval.

    Args:
        run_dir: of the run, see `_REACHED`.
        every: the shortest and the longest interval in seconds.
        seed: of moments and kinds.
        log: gets all that the run says.

    Raises:
        RunFailedError: see there.
    """
    rng, kills, stretches = random.Random(seed), list[Kill](), [1.0]
    sizes, begin = [(0, 0)], time.monotonic()
    while True:
        (kind,) = rng.choices(KINDS, [kind.weight for kind in KINDS])
        before = _reached(run_dir)
        pause = stretches[-1] * rng.uniform(*every)
        kill = _kill_once(command, kind, pause, log=log, cwd=cwd)
        sizes.append(_checkpoint_sizes(run_dir))
        if kill is None:
            largest, most = map(max, zip(*sizes, strict=True))
            return Soaked(kills, time.monotonic() - begin, max(stretches), largest, most)
        after = _reached(run_dir)
        progress, finished = after != before, run_dir / _RESULTS in after
        kills.append(kill._replace(progress=progress, finished=finished))
        stretches.append(max(1.0, stretches[-1] * (1 / _LONGER if progress else _LONGER)))


def _kill_once(
    command: Sequence[str], kind: Kind, after: float, *, log: Path, cwd: Path | None
) -> Kill | None:
    """Starts the run and ends it after so many seconds; None where it was finished before."""
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
        _send(process, kind)
        code = _wait(process, _PATIENCE)
        if code is None:
            raise RunFailedError(f"{kind.name} did not end the run in {_PATIENCE:.0f} s{_end(log)}")
        return Kill(kind, process.pid, seconds, code)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _send(process: subprocess.Popen, kind: Kind) -> None:
    with suppress(ProcessLookupError):  # it was quicker
        (os.killpg if kind.to_all else os.kill)(process.pid, kind.number)


def _wait(process: subprocess.Popen, seconds: float) -> int | None:
    """Its exit code; None where it lives on."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def _reached(run_dir: Path) -> dict[Path, int]:
    """When each of `_REACHED` was written, in ns."""
    paths = [path for pattern in _REACHED for path in run_dir.glob(pattern)]
    return {path: path.stat().st_mtime_ns for path in paths}


def _checkpoint_sizes(run_dir: Path) -> tuple[int, int]:
    """The bytes of the largest checkpoint, and the most files in one of their folders."""
    folders = [list(folder.iterdir()) for folder in run_dir.glob("checkpoints/*")]
    sizes = [file.stat().st_size for files in folders for file in files]
    return max(sizes, default=0), max(map(len, folders), default=0)


def _end(log: Path) -> str:
    return f"; the end of {log}:\n{log.read_text(errors='replace')[-_END_OF_LOG:]}"
