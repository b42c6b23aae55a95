"""Errors end the program with one message: what is wrong and what to do."""

import errno
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from hydra.errors import CompactHydraException

from handpose.config.secrets import hidden
from handpose.invocation import typed

_LESS = "Set trainer.num_workers=0 and resume, or lower {keys} in a new run"
# (pattern in the error's text, meaning, what to do): the first match counts.
_SHORTAGES = (
    (
        r"allocate shared memory|Bus error|out of shared memory|exit code 28\b",
        "/dev/shm is too small for the batches of the data workers",
        "Start the container with more (docker run --shm-size=8g), or set trainer.num_workers=0",
    ),
    (
        r"Too many open files|received 0 items of ancdata|exit code 24\b",
        "too many files are open",
        "Raise the limit (ulimit -n 4096), or set trainer.num_workers=0",
    ),
    (
        r"DataLoader worker .*(is killed by signal|exited unexpectedly)",
        "a data worker was killed, most likely by the system for lack of memory",
        _LESS,
    ),
    (
        r"process pool was terminated abruptly",
        "a helper process was killed, most likely by the system for lack of memory",
        "Free memory, or give the command fewer cores (taskset -c 0 python train.py ...): each "
        "core runs one helper",
    ),
    (r"CUDA out of memory", "the GPU is out of memory", "Lower {keys} in a new run"),
    (
        r"MemoryError|DefaultCPUAllocator|Insufficient memory|Cannot allocate memory|bad_alloc",
        "out of memory",
        _LESS,
    ),
)
_ADVICE = {
    errno.ENOENT: "It was deleted or moved. Restore it, or choose another place",
    errno.EEXIST: "Something else is in its place. Move that away",
    errno.ENOTDIR: "A file is in the place of a directory. Move it away",
    errno.EISDIR: "A directory is in the place of a file. Move it away",
    errno.EROFS: "Choose a place that can be written",
    errno.ENOSPC: "Make room on the disk",
    errno.EDQUOT: "Make room within the quota",
    errno.ENAMETOOLONG: "Choose a shorter path",
    errno.EIO: "Check the disk",
    errno.ELOOP: "A link is in its place. Move it away",
} | dict.fromkeys((errno.EACCES, errno.EPERM), "Choose a place that you can read and write")


class UserError(CompactHydraException, ValueError):
    """An error that the user can fix: Hydra prints only its text, and the exit code is 1."""


def refuse(problems: Sequence[str]) -> NoReturn:
    """Print all problems to stderr and end the program with exit code 1."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    print(f"Nothing was started: the configuration has {count}.\n", file=sys.stderr)
    for problem in problems:
        print("  - " + hidden(problem).replace("\n", "\n    "), file=sys.stderr)
    print(f"\n`{shlex.join(typed('train'))} --help` lists the choices.", file=sys.stderr)
    raise SystemExit(1)


@contextmanager
def without_traceback() -> Iterator[None]:
    """Report a user error (ValueError) or a machine failure by its text only.

    Raises:
        UserError: for such an error inside.
    """
    try:
        yield
    except Exception as error:
        cause = original(error)
        text = of_worker(str(cause)) if isinstance(cause, ValueError) else explained(cause)
        if text is None:
            raise cause from cause.__cause__
        raise UserError(hidden(text)) from cause


@contextmanager
def ends_with_message() -> Iterator[None]:
    """End a script for such an error with one message and exit code 1.

    Raises:
        SystemExit: for such an error inside.
    """
    try:
        with without_traceback():
            yield
    except UserError as error:
        raise SystemExit(f"{Path(sys.argv[0]).name}: {error}") from None


def refuse_arguments(problems: Iterable[str]) -> NoReturn:
    """End an application with exit code 1 and a line for each problem of its command line.

    Raises:
        SystemExit: always.
    """
    name = Path(sys.argv[0]).name
    raise SystemExit("\n".join(f"{name}: {problem}" for problem in problems))


@contextmanager
def told_alone() -> Iterator[None]:
    """End the program for a user error with exit code 1 and only its text.

    Raises:
        UserError: as it is, where HYDRA_FULL_ERROR=1 asks for the traceback.
    """
    try:
        yield
    except UserError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        print(error, file=sys.stderr)
        raise SystemExit(1) from error


@contextmanager
def during(what: str, *keys: str) -> Iterator[None]:
    """Add a note to an error: what was being done, and the keys that lower memory.

    Args:
        what: the work, as a noun.
        keys: configuration keys that determine its memory.
    """
    try:
        yield
    except Exception as error:
        if not hasattr(cause := original(error), "__notes__"):
            cause.add_note(f"{what} ({' or '.join(keys)})")
        raise


def original(error: BaseException) -> BaseException:
    """Return the error behind a vaguer one of Lightning's teardown or torch's loader."""
    vaguer = re.search(r"iter\(combined_loader\)|pid\(s\)", str(error))
    is_covering = vaguer and isinstance(error.__context__, RuntimeError | OSError | MemoryError)
    return original(error.__context__) if is_covering else error  # type: ignore[arg-type]


def explained(error: BaseException) -> str | None:
    """Return the meaning of a machine failure and what to do; None for other errors."""
    text = of_worker(str(error))
    note = next(iter(getattr(error, "__notes__", [])), "")
    what, _, keys = note.rstrip(")").partition(" (")
    where = f"{what}: " if what else ""
    for pattern, meaning, advice in _SHORTAGES:
        if re.search(pattern, f"{type(error).__name__}: {text}"):
            shown = text.partition("\n")[0][:200]
            return f"{where}{meaning} ({shown}). {advice.format(keys=keys or 'the batch size')}"
    if not isinstance(error, OSError):
        return None
    found = re.match(r"\[Errno (\d+)\] (.*)", text, re.S)
    advice = _ADVICE.get(int(found[1]), "") if found else ""
    return where + ". ".join(filter(None, (found[2] if found else text, advice)))


def of_worker(text: str) -> str:
    """Return an error's text without the traceback that a data worker adds."""
    found = re.match(r"Caught \w+ in DataLoader worker.*^[\w.]+[eE]rror: ", text, re.S | re.M)
    return text[found.end() :] if found else text
