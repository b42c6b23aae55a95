"""Tables of the user's own, as they are listed in a CSV or a JSON-lines file."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from handpose.data.index.collector import Collector
from handpose.regular import LARGEST_TABLE, regular

SUFFIXES = (".csv", ".jsonl")


def listed_rows(collector: Collector, path: Path, name: str) -> Iterator[tuple[str, Any]]:
    """("name#line", row) of each row; what is no row, or no such file, becomes a problem.

    A row of a CSV file is {column: cell}, both texts, an empty cell "".

    Args:
        collector: takes the problems.
        path: of the file, with one of `SUFFIXES`.
        name: what problems call it.
    """
    read = _csv_rows if path.suffix == ".csv" else _json_rows
    try:
        regular(path, most=LARGEST_TABLE)
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write the mark
            for number, row in read(collector, file, name):
                yield f"{name}#{number}", row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        collector.problem(name, f"cannot be read as text ({error})", fatal=True)


def _csv_rows(
    collector: Collector, file: TextIO, name: str
) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(file, restval="")
    for row in reader:
        if None in row:
            collector.problem(f"{name}#{reader.line_num}", "it has more cells than there are names")
        else:
            yield reader.line_num, row


def _json_rows(collector: Collector, file: TextIO, name: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            with collector.record(f"{name}#{number}"):
                yield number, json.loads(line)
