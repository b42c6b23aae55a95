"""Bad files and records of a dataset, and the quarantine: a list of those to leave out."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from handpose.files import LARGEST_TEXT, regular, shown

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


class ProblemList:
    """Notes the bad files and records of a reader.

    Attributes:
        problems: bad files and records, without which the rest can be read.
        fatal: those without which nothing can be read.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.fatal: list[Problem] = []

    def problem(self, file: str, reason: str, *, fatal: bool = False) -> None:
        """Note a bad file or record.

        Args:
            file: its name, as in `Problem`.
            fatal: the dataset cannot be read without it.
        """
        (self.fatal if fatal else self.problems).append(Problem(shown(file), shown(reason)))

    @contextmanager
    def record(self, name: str) -> Iterator[None]:
        """Turn an error in reading the record `name` into a problem."""
        try:
            yield
        except KeyError as error:
            self.problem(name, f"the key {error} is missing")
        except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            self.problem(name, str(error))


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
            "handpose doctor --quarantine FILE writes one"
        ) from error
