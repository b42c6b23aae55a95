"""Tables of the user's own, as they are listed in a CSV or a JSON-lines file."""

import csv
import difflib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from handpose.data.index.collector import Collector
from handpose.files import LARGEST_TABLE, regular

SUFFIXES = (".csv", ".jsonl")


class Known(NamedTuple):
    """What a row may hold."""

    columns: tuple[str, ...]  # of a CSV file
    keys: tuple[str, ...]  # of a JSON line


def listed_rows(
    collector: Collector, path: Path, name: str, known: Known
) -> Iterator[tuple[str, Any]]:
    """("name#line", row) of each row; what is no row, or no such file, becomes a problem.

    A row of a CSV file is {column: cell}, both texts, an empty cell "".

    Args:
        collector: takes the problems.
        path: of the file, with one of `SUFFIXES`.
        name: what problems call it.
        known: other columns or keys are refused, for a misspelt one would count as absent.
    """
    read = _csv_rows if path.suffix == ".csv" else _json_rows
    try:
        regular(path, most=LARGEST_TABLE)
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write the mark
            rows, number = read(collector, file, name, known), None
            for number, row in rows:
                yield f"{name}#{number}", row
        if number is None and not collector.problems + collector.fatal:
            collector.problem(name, "it has no row of data", fatal=True)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        collector.problem(name, f"cannot be read as text ({error})", fatal=True)


def _csv_rows(
    collector: Collector, file: TextIO, name: str, known: Known
) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(file, restval="")
    if reason := _unknown(list(reader.fieldnames or ()), known.columns):
        collector.problem(name, reason, fatal=True)
        return
    for row in reader:
        if None in row:
            collector.problem(f"{name}#{reader.line_num}", "it has more cells than there are names")
        else:
            yield reader.line_num, row


def _json_rows(
    collector: Collector, file: TextIO, name: str, known: Known
) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            with collector.record(f"{name}#{number}"):
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("it is no JSON object")
                if reason := _unknown(list(row), known.keys):
                    raise ValueError(reason)
                yield number, row


def _unknown(names: Sequence[str], known: tuple[str, ...]) -> str | None:
    """Which names are unknown or stand twice, with the nearest right ones; None for none."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        return f"the column {twice[0]} stands twice"
    others = [name for name in names if name not in known]
    if not others:
        return None
    shown = [f"{name}{_nearest(name, known)}" for name in others]
    numbered = [name for name in known if name[-1].isdigit()]
    right = [name for name in known if name not in numbered]
    right += [f"{numbered[0]} to {numbered[-1]}"] if numbered else []
    return f"unknown: {', '.join(shown)}; known: {', '.join(right)}. Rename or remove it"


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
