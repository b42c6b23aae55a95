"""What became of each cell of a sweep: status, results and metric, and the means over seeds."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from handpose.pipeline.run_directory import FAILURE, RESULTS, read_json
from handpose.sweep.cells import Cell
from handpose.sweep.metric import direction_of, found_metric, value_of

_SECONDS = ("pretrain_seconds", "finetune_seconds", "evaluate_seconds")
_SEED = re.compile(r"seed=(.+)")


class Row(NamedTuple):
    """Status and results of a cell."""

    cell: Cell
    status: str  # finished, failed, or unfinished (neither results nor a reason)
    reason: str  # of the failure, in one line
    results: dict[str, Any]
    value: float | None = None  # of the sweep's metric

    @property
    def seconds(self) -> float | None:
        """Seconds of all stages; shared pre-training counts in every cell."""
        found = [self.results[name] for name in _SECONDS if self.results.get(name) is not None]
        return sum(found) if found else None

    @property
    def why_no_value(self) -> str:
        """Reason why a cell has no value of the metric."""
        return self.reason or "its results have no finite value of the metric"

    def name(self, folder: Path) -> str:
        """Return the cell's folder relative to the sweep's `folder`."""
        own = self.cell.folder
        return str(own.relative_to(folder)) if own.is_relative_to(folder) else str(own)


class Group(NamedTuple):
    """The cells that differ only in the seed."""

    overrides: tuple[str, ...]  # without the seed
    rows: tuple[Row, ...]

    @property
    def finished(self) -> list[Row]:
        """Return the rows with results."""
        return [row for row in self.rows if row.status == "finished"]

    def spread(self, number: Callable[[Row], float | None]) -> tuple[float, float | None] | None:
        """Return mean and sample standard deviation over the seeds; None without any number."""
        found = [value for row in self.finished if (value := number(row)) is not None]
        if not found:
            return None
        return fmean(found), stdev(found) if len(found) > 1 else None


def read_rows(cells: Sequence[Cell], metric: str | None = None) -> list[Row]:
    """Read status and results from the cells' folders.

    Args:
        cells: of the sweep.
        metric: `sweep_metric`, None for the default.
    """
    return [_read_row(cell, metric) for cell in cells]


def _read_row(cell: Cell, metric: str | None) -> Row:
    failure = cell.folder / FAILURE
    if failure.is_file():
        return Row(cell, "failed", failure.read_text(encoding="utf-8").partition("\n")[0], {})
    if cell.is_finished():
        results = read_json(cell.folder / RESULTS)
        return Row(cell, "finished", "", results, value_of(metric, results))
    return Row(cell, "unfinished", "no results and no error message, or not started", {})


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """Count the cells by status."""
    found = {"cells": len(rows), "finished": 0, "failed": 0, "unfinished": 0}
    for row in rows:
        found[row.status] += 1
    return found


def metric_of(rows: Sequence[Row], metric: str | None) -> str | None:
    """Return the metric that the rows are sorted by; None if none of them has it.

    Args:
        rows: one per cell.
        metric: `sweep_metric`, None for the default.
    """
    return found_metric(metric, [row.results for row in rows if row.value is not None])


def sorted_rows(rows: Iterable[Row], metric: str | None) -> list[Row]:
    """Return the rows, best first; rows without a value last, in their order.

    Args:
        rows: one per cell.
        metric: `sweep_metric`, None for the default.
    """
    return sorted(rows, key=lambda row: _place(row.value, metric))


def groups_of(rows: Sequence[Row], metric: str | None) -> list[Group]:
    """Return the cells grouped over seeds, best mean first; empty if no group has two seeds.

    Args:
        rows: one per cell.
        metric: `sweep_metric`, None for the default.
    """
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        own = tuple(o for o in row.cell.overrides if not _SEED.fullmatch(o))
        found.setdefault(own, []).append(row)
    groups = [Group(own, tuple(members)) for own, members in found.items()]
    if all(len(group.rows) == 1 for group in groups):
        return []
    return sorted(groups, key=lambda group: _place(mean_value(group), metric))


def mean_value(group: Group) -> float | None:
    """Return the mean of the metric over a group's seeds; None if a seed has no value.

    A group with fewer seeds than the others could be best by luck.
    """
    if any(row.value is None for row in group.rows):
        return None
    found = group.spread(lambda row: row.value)
    return None if found is None else found[0]


def _place(value: float | None, metric: str | None) -> tuple[bool, float]:
    sign = -1 if direction_of(metric) == "maximize" else 1
    return value is None, 0.0 if value is None else sign * value
