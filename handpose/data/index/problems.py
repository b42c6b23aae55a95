"""Bad files and records of a dataset, and the quarantine: a list of those to leave out."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from handpose.files import LARGEST_TEXT, regular

_SHOWN = 12
_COLUMNS = ("file", "reason")


class Problem(NamedTuple):
    """One bad file or record."""

    file: str  # relative to the dataset's root; "file#12" is its record 12
    reason: str


class BrokenDataError(ValueError):
    """A dataset cannot be used as it is.

    Attributes:
        problems: all the reasons.
        is_fatal: nothing is usable; otherwise a quarantine of the problems lets it load.
    """

    def __init__(self, message: str, problems: list[Problem], *, is_fatal: bool) -> None:
        super().__init__(message)
        self.problems = problems
        self.is_fatal = is_fatal


def as_lines(problems: list[Problem]) -> str:
    """Format the first problems as "  file: reason", one per line; the rest is counted."""
    lines = [f"  {problem.file}: {problem.reason}" for problem in problems[:_SHOWN]]
    more = len(problems) - _SHOWN
    return "\n".join(lines + ([f"  and {more} more"] if more > 0 else []))


def write_quarantine(path: Path, problems: Iterable[Problem]) -> None:
    """Write a CSV file for `dataset.quarantine`.

    Args:
        path: of the file.
        problems: its rows.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([_COLUMNS, *problems])


def read_quarantine(path: Path) -> set[str]:
    """Read the names of the files and records that the user leaves out.

    Raises:
        ValueError: the file cannot be read or has no column `file`; names it.
    """
    try:
        with regular(path, most=LARGEST_TEXT).open(newline="", encoding="utf-8") as file:
            return {row["file"] for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise ValueError(
            f"dataset.quarantine={path}: not a CSV file with the columns file,reason ({error}); "
            "scripts/doctor.py --quarantine FILE writes one"
        ) from error
