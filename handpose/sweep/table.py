"""Write the table of a sweep, best cell first: sweep.md, sweep.json and terminal output."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handpose.files import replacing
from handpose.pipeline.run_directory import write_json
from handpose.sweep.rows import Group, Row, counts
from handpose.sweep.summary import Summary, heading, meaning

_LONGEST_NAME = 12  # characters of a number's name in the terminal, the metric's excepted
_LEAST_FOR_CELLS = 30  # characters of a terminal line that the overrides keep
_GAP = 2  # between two columns
_MEAN_POSE = "mean pose (constant)"


def write_table(summary: Summary, *, sweep: str, command: str) -> None:
    """Write sweep.md and sweep.json to the sweep's folder.

    Args:
        summary: of the sweep.
        sweep: its name.
        command: resumes the sweep.
    """
    write_json(summary.folder / "sweep.json", _as_json(summary, sweep, command))
    shared = " ".join(f"`{o}`" for o in summary.common) or "the defaults"
    parts = [
        f"# {sweep}",
        f"`{command}`",
        f"{_counted(summary.rows)}; for all: {shared}",
        summary.caption,
        _markdown(*_of_groups(summary, summary.columns)) if summary.groups else "",
        _markdown(*_of_cells(summary, summary.columns, with_folder=True)),
        "\n".join(f"- `{name}`: {meaning(name)}" for name in summary.columns),
    ]
    with replacing(summary.folder / "sweep.md") as partial:
        text = "\n\n".join(part for part in parts if part)
        partial.write_text(f"{text}\n", encoding="utf-8")


def print_table(summary: Summary, *, console: Console | None = None) -> None:
    """Print the tables, the reasons of failures and the path of sweep.md.

    Args:
        summary: of the sweep.
        console: None for standard output.
    """
    console = console or Console()
    if summary.groups:
        _print(console, lambda names: _of_groups(summary, names), summary.columns)
        console.print()
    _print(console, lambda names: _of_cells(summary, names), summary.columns)
    for row in summary.rows:
        if row.status != "finished":
            where = f"{row.name(summary.folder)}: {row.status}: {row.reason}"
            console.print(escape(where), soft_wrap=True, style="red")
    console.print(escape(summary.caption), soft_wrap=True)
    path = escape(str(summary.folder / "sweep.md"))
    console.print(f"{_counted(summary.rows)}: {path}", soft_wrap=True)


Texts = tuple[list[str], list[list[str]]]


def _of_cells(summary: Summary, names: Sequence[str], *, with_folder: bool = False) -> Texts:
    """Return headings and lines of the cells, best first, and of the mean pose.

    Args:
        summary: of the sweep.
        names: of the numbers to show.
        with_folder: whether the last column is the cell's folder.
    """
    lines = [
        [
            summary.own(row.cell.overrides),
            "best" if row is summary.best else row.status,
            *(_number(row.results.get(name), 4) for name in names),
            _number(row.seconds, 3),
            *([row.name(summary.folder)] if with_folder else []),
        ]
        for row in summary.ordered
    ]
    if any(constants := [summary.mean_pose(name) for name in names]):
        numbers = [" to ".join(_number(v, 4) for v in _ends(found)) for found in constants]
        lines.append([_MEAN_POSE, "", *numbers, "", *([""] if with_folder else [])])
    folder = ["folder"] if with_folder else []
    return ["cell", "status", *map(heading, names), "seconds", *folder], lines


def _of_groups(summary: Summary, names: Sequence[str]) -> Texts:
    """Return headings and lines of the groups over seeds: mean, spread and number of seeds."""
    lines = [
        [
            summary.own(group.overrides),
            "best" if group is summary.best_group else "",
            *(_spread(group, name) for name in names),
            _seeds(group),
        ]
        for group in summary.groups
    ]
    return ["cells over seeds, mean ± SD", "", *map(heading, names), "n"], lines


def _spread(group: Group, name: str) -> str:
    found = group.spread(lambda row: row.results.get(name))
    if found is None:
        return ""
    mean, deviation = found
    return _number(mean, 4) + ("" if deviation is None else f" ± {_number(deviation, 2)}")


def _seeds(group: Group) -> str:
    """Return the number of finished seeds, and of all where some are missing."""
    finished, every = len(group.finished), len(group.rows)
    return str(every) if finished == every else f"{finished} of {every}"


def _print(console: Console, made: Callable[[Sequence[str]], Texts], names: Sequence[str]) -> None:
    """Print a table with as many of the numbers as the terminal is wide, the metric first."""
    short = [*names[:1], *(name for name in names[1:] if len(name) <= _LONGEST_NAME)]
    for count in range(len(short), 0, -1):
        if _width(*made(short[:count])) <= console.width - _LEAST_FOR_CELLS:
            break
    else:
        count = min(1, len(short))
    head, lines = made(short[:count])
    table = Table(box=None, pad_edge=False)
    for name in head[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(head[0], overflow="fold")
    for own, status, *rest in lines:
        style = "bold" if status == "best" else None
        table.add_row(*map(escape, [status, *rest, own]), style=style)
    console.print(table)
    if count < len(names):
        console.print(f"{len(names) - count} more columns are in sweep.md", style="dim")


def _width(head: Sequence[str], lines: Sequence[Sequence[str]]) -> int:
    """Return the characters of all columns but the first, with the gaps between them."""
    columns = list(zip(head, *lines, strict=True))[1:]
    return sum(max(map(len, column)) + _GAP for column in columns)


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _counted(rows: Sequence[Row]) -> str:
    found = counts(rows)
    rest = [f"{found[name]} {name}" for name in ("failed", "unfinished") if found[name]]
    return ", ".join([f"{found['finished']} of {found['cells']} cells finished", *rest])


def _as_json(summary: Summary, sweep: str, command: str) -> dict[str, Any]:
    """Return the content of sweep.json; its cells are in launch order."""
    best = summary.best
    return {
        "sweep": sweep,
        "command": command,
        "date": datetime.now().isoformat(timespec="seconds"),
        "counts": counts(summary.rows),
        "metric": summary.metric,
        "direction": summary.direction,
        "best": None if best is None else best.name(summary.folder),
        "groups": [_group_as_json(summary, group) for group in summary.groups],
        "cells": [
            {
                "cell": row.name(summary.folder),
                "overrides": list(row.cell.overrides),
                "status": row.status,
                "reason": row.reason or None,
                "value": row.value,
                "seconds": row.seconds,
                "results": row.results,
            }
            for row in summary.rows
        ],
    }


def _group_as_json(summary: Summary, group: Group) -> dict[str, Any]:
    found = group.spread(lambda row: row.value)
    mean, deviation = (None, None) if found is None else found
    return {
        "overrides": list(group.overrides),
        "cells": [row.name(summary.folder) for row in group.rows],
        "n": len(group.finished),
        "mean": mean,
        "standard_deviation": deviation,
        "is_best": group is summary.best_group,
    }


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _ends(values: Sequence[float]) -> list[float]:
    return list(dict.fromkeys((values[0], values[-1]))) if values else []
