"""How a problem is worded, and how a command is refused."""

import difflib
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from hydra.errors import CompactHydraException

from handpose.config.machine import explained, of_worker, original
from handpose.config.secrets import hidden
from handpose.invocation import typed


def refuse(problems: Sequence[str]) -> NoReturn:
    """Prints all problems to stderr and ends the program with exit code 1."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    print(f"Nothing was started: the configuration has {count}.\n", file=sys.stderr)
    for problem in problems:
        print("  - " + hidden(problem).replace("\n", "\n    "), file=sys.stderr)
    print(f"\n`{shlex.join(typed('train'))} --help` lists the choices.", file=sys.stderr)
    raise SystemExit(1)


class UserError(CompactHydraException, ValueError):
    """What the user can fix: Hydra prints its text alone, and the exit code is 1."""


@contextmanager
def without_traceback() -> Iterator[None]:
    """A user's mistake (ValueError) or a failure of the machine is told by its text alone.

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
    """Around the work of a script: the same errors end it with one message and exit code 1.

    Raises:
        SystemExit: for such an error inside.
    """
    try:
        with without_traceback():
            yield
    except UserError as error:
        raise SystemExit(f"{Path(sys.argv[0]).name}: {error}") from None


@contextmanager
def told_alone() -> Iterator[None]:
    """A user's mistake ends the program with exit code 1, without Hydra's lines around its text.

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


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The names that are spelled most like `name`, best first; three at most.

    A name that is one slip away is like it, however short the two are.
    """
    names = list(names)
    slips = [other for other in names if _is_one_slip(name, other)]
    if slips:
        return slips[:3]

    def likeness(other: str) -> float:
        return difflib.SequenceMatcher(None, name, other).ratio()

    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    return [other for other in close if likeness(other) > likeness(close[0]) - 0.1]


def _is_one_slip(name: str, other: str) -> bool:
    """Whether two names differ by one letter left out, added or replaced, or by two swapped."""
    pairs = enumerate(zip(name, other, strict=False))
    start = next((place for place, (a, b) in pairs if a != b), min(len(name), len(other)))
    one, two = name[start:], other[start:]
    return (
        one[1:] == two[1:]
        or one[1:] == two
        or one == two[1:]
        or (one[:2] == two[1::-1] and one[2:] == two[2:])
    )


def did_you_mean(names: Sequence[str]) -> str:
    """`; did you mean a or b?`, or nothing without names."""
    return f"; did you mean {' or '.join(names)}?" if names else ""


def with_note(problem: str, note: str) -> str:
    """A problem with a note at the end of its first line."""
    first, line_break, rest = problem.partition("\n")
    return f"{first} {note}{line_break}{rest}"


def first_line(error: BaseException) -> str:
    """The line of an error's message that says what is wrong."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
