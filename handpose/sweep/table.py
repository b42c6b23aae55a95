"""Write the table of a sweep, one row per cell: sweep.md, sweep.json and terminal output."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handpose.files import replacing
from handpose.pipeline.run_directory import RESULTS, read_json, write_json
from handpose.sweep.cells import FAILURE, Cell

_NARROW = 12  # longest metric name in the terminal, in characters
_SECONDS = ("pretrain_seconds", "finetune_seconds", "evaluate_seconds")


class Row(NamedTuple):
    """Status and results of a cell."""

    cell: Cell
    status: str  # finished, failed, or unfinished (neither results nor a reason)
    reason: str  # of the failure, in one line
    results: dict[str, Any]

    @property
    def seconds(self) -> float | None:
        """Seconds of all stages; shared pre-training counts in every cell."""
        found = [self.results[name] for name in _SECONDS if self.results.get(name) is not None]
        return sum(found) if found else None


def read_rows(cells: Sequence[Cell]) -> list[Row]:
    """Read status and results from the cells' folders."""
    return [_read_row(cell) for cell in cells]


def _read_row(cell: Cell) -> Row:
    failure = cell.folder / FAILURE
    if failure.is_file():
        return Row(cell, "failed", failure.read_text(encoding="utf-8").partition("\n")[0], {})
    if cell.is_finished():
        return Row(cell, "finished", "", read_json(cell.folder / RESULTS))
    return Row(cell, "unfinished", "no results and no error message, or not started", {})


def write_table(folder: Path, rows: Sequence[Row], *, sweep: str, command: str) -> None:
    """Write sweep.md and sweep.json to the sweep's folder.

    Args:
        folder: of the sweep.
        rows: one per cell.
        sweep: name of the sweep.
        command: resumes the sweep.
    """
    content = {
        "sweep": sweep,
        "command": command,
        "date": datetime.now().isoformat(timespec="seconds"),
        "counts": counts(rows),
        "cells": [_as_json(row, folder) for row in rows],
    }
    write_json(folder / "sweep.json", content)
    head, lines = _entries(rows)
    head, lines = (
        [*head, "folder"],
        [[*line, _name(row, folder)] for line, row in zip(lines, rows, strict=True)],
    )
    texts = [head, ["---"] * len(head), *lines]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in texts)
    above = f"# {sweep}\n\n`{command}`\n\n{_counted(rows)}; for all: {_common_text(rows)}\n\n"
    with replacing(folder / "sweep.md") as partial:
        partial.write_text(f"{above}{table}\n", encoding="utf-8")


def print_table(folder: Path, rows: Sequence[Row], *, console: Console | None = None) -> None:
    """Print the table, the reasons of failures and the path of sweep.md.

    Args:
        folder: of the sweep.
        rows: one per cell.
        console: None for standard output.
    """
    console = console or Console()
    head, lines = _entries(rows, longest=_NARROW)
    table = Table(box=None, pad_edge=False)
    for name in head[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(head[0], overflow="fold")
    for own, *rest in lines:
        table.add_row(*map(escape, [*rest, own]))
    console.print(table)
    for row in rows:
        if row.status != "finished":
            where = f"{_name(row, folder)}: {row.status}: {row.reason}"
            console.print(escape(where), soft_wrap=True, style="red")
    console.print(f"{_counted(rows)}: {escape(str(folder / 'sweep.md'))}", soft_wrap=True)


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """Count the cells by status."""
    found = {"cells": len(rows), "finished": 0, "failed": 0, "unfinished": 0}
    for row in rows:
        found[row.status] += 1
    return found


def _counted(rows: Sequence[Row]) -> str:
    found = counts(rows)
    rest = [f"{found[name]} {name}" for name in ("failed", "unfinished") if found[name]]
    return ", ".join([f"{found['finished']} of {found['cells']} cells finished", *rest])


def _as_json(row: Row, folder: Path) -> dict[str, Any]:
    return {
        "cell": _name(row, folder),
        "overrides": list(row.cell.overrides),
        "status": row.status,
        "reason": row.reason or None,
        "seconds": row.seconds,
        "results": row.results,
    }


def _entries(
    rows: Sequence[Row], *, longest: int | None = None
) -> tuple[list[str], list[list[str]]]:
    """Return column names and the texts of each row, with the main metrics that occur."""
    from handpose.evaluation.summarise import main_names  # imports torch

    found = {name for row in rows for name, value in row.results.items() if value is not None}
    metrics = [name for name in main_names() if name in found and len(name) <= (longest or 99)]
    common = _common(rows)
    lines = [
        [
            " ".join(o for o in row.cell.overrides if o not in common) or "(the only one)",
            row.status,
            *(_number(row.results.get(name), 4) for name in metrics),
            _number(row.seconds, 3),
        ]
        for row in rows
    ]
    return ["cell", "status", *metrics, "seconds"], lines


def _common(rows: Sequence[Row]) -> set[str]:
    """Return the overrides that all cells share."""
    return set.intersection(*(set(row.cell.overrides) for row in rows))


def _common_text(rows: Sequence[Row]) -> str:
    common = _common(rows)
    return " ".join(f"`{o}`" for o in rows[0].cell.overrides if o in common) or "the defaults"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _name(row: Row, folder: Path) -> str:
    """Return a cell's folder relative to the sweep's."""
    own = row.cell.folder
    return str(own.relative_to(folder)) if own.is_relative_to(folder) else str(own)
