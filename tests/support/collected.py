"""What a collection wrote."""

import csv
import json
from pathlib import Path
from typing import Any


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a collection but the lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def rows(out: Path, name: str) -> list[dict[str, Any]]:
    """The rows of one of its tables."""
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in (out / name).read_text().splitlines()]
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def summary(out: Path) -> dict[str, Any]:
    return json.loads((out / "collection.json").read_text())
