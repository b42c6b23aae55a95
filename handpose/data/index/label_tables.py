"""Reads a user's tables, one row per hand: CSV or JSON lines."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from handpose.data.index.problems import ProblemList
from handpose.files import LARGEST_TABLE, regular
from handpose.messages import nearest

SUFFIXES = (".csv", ".jsonl")


class RowFormat(NamedTuple):
    """The names that a row may have; a row of a CSV file is converted to keys."""

    texts: tuple[str, ...]  # keys with a text; columns of the same names
    numbers: dict[str, list[list[str]]]  # {key: the columns of its array, row by row}
    keys: tuple[str, ...]  # all keys of a JSON line

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of a CSV file."""
        return (
            *self.texts,
            *(name for array in self.numbers.values() for row in array for name in row),
        )


def table_rows(
    problems: ProblemList, path: Path, name: str, row_format: RowFormat
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the rows of a user's table as ("name#line", row); bad rows become problems.

    Unknown names are refused, as a misspelt one would count as absent.

    Args:
        problems: takes the bad rows.
        path: of the file, with one of `SUFFIXES`.
        name: of the file in the problems.
        row_format: the names that a row may have.
    """
    read = _csv_rows if path.suffix == ".csv" else _json_rows
    try:
        regular(path, most=LARGEST_TABLE)
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write the mark
            number = None
            for number, row in read(problems, file, name, row_format):
                yield f"{name}#{number}", row
        if number is None and not problems.problems + problems.fatal:
            problems.problem(name, "it has no row of data", fatal=True)
    except FileNotFoundError:
        problems.problem(name, f"missing, there is no file {path}", fatal=True)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.problem(name, f"cannot be read as text ({error})", fatal=True)


def _csv_rows(
    problems: ProblemList, file: TextIO, name: str, row_format: RowFormat
) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(file, restval="")
    names = list(reader.fieldnames or ())
    if reason := _unknown(names, row_format.columns) or _missing(names, row_format):
        problems.problem(name, reason, fatal=True)
        return
    for cells in reader:
        with problems.record(f"{name}#{reader.line_num}"):
            if None in cells:
                raise ValueError("it has more cells than there are names")
            row: dict[str, Any] = {key: cells[key] for key in row_format.texts if cells.get(key)}
            arrays = {key: _array(cells, names) for key, names in row_format.numbers.items()}
            yield reader.line_num, row | {key: a for key, a in arrays.items() if a is not None}


def _missing(names: Sequence[str], row_format: RowFormat) -> str | None:
    """Return the missing columns of an image, or of an array that has some; None if complete."""
    if names and row_format.texts[0] not in names:  # an empty file has no rows, which is told later
        return f"the column {row_format.texts[0]} is missing. Add it"
    for arrays in row_format.numbers.values():
        columns = arrays[0] if len(arrays) == 1 else []  # of a box; a joint may be unlabelled
        absent = [name for name in columns if name not in names]
        if absent and len(absent) < len(columns):
            there = ", ".join(name for name in columns if name in names)
            return f"the column {', '.join(absent)} is missing beside {there}. Add it"
    return None


def _array(cells: dict[str, str], names: list[list[str]]) -> list[Any] | None:
    """Convert cells to numbers, None for an empty one; None if all are empty or absent."""
    if not any(cells.get(name) for row in names for name in row):
        return None
    rows = [[float(cells[n]) if cells.get(n) else None for n in row] for row in names]
    return rows[0] if len(rows) == 1 else rows


def _json_rows(
    problems: ProblemList, file: TextIO, name: str, row_format: RowFormat
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            with problems.record(f"{name}#{number}"):
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("it is not a JSON object")
                if reason := _unknown(list(row), row_format.keys):
                    raise ValueError(reason)
                yield number, row


def _unknown(names: Sequence[str], known: tuple[str, ...]) -> str | None:
    """Return unknown or repeated names with the nearest right ones, or None."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        return f"the column {twice[0]} occurs twice"
    others = [name for name in names if name not in known]
    if not others:
        return None
    near = [nearest(name.lower(), known) for name in others]
    shown = [
        f"{name} (did you mean {like[0]}?)" if like else name
        for name, like in zip(others, near, strict=True)
    ]
    numbered = [name for name in known if name[-1].isdigit()]
    right = [name for name in known if name not in numbered]
    right += [f"{numbered[0]} to {numbered[-1]}"] if numbered else []
    return f"unknown: {', '.join(shown)}; known: {', '.join(right)}. Rename or remove it"
