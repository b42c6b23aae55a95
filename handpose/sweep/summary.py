"""What a sweep's table shows: the metric, the order of the cells, the best one, units, groups."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from handpose.report.choices import find
from handpose.sweep.metric import described, direction_of
from handpose.sweep.rows import Group, Row, groups_of, mean_value, metric_of, sorted_rows

_ARROWS = {"minimize": "↓", "maximize": "↑"}


class Summary:
    """The rows of a sweep and everything that follows from them.

    Args:
        folder: of the sweep.
        rows: one per cell, in launch order.
        metric: `sweep_metric`, None for the default.
    """

    def __init__(self, folder: Path, rows: Sequence[Row], metric: str | None = None) -> None:
        self.folder, self.rows = folder, list(rows)
        self.metric = metric_of(rows, metric)
        self.direction = direction_of(self.metric)
        self.ordered = sorted_rows(rows, self.metric)
        self.groups = groups_of(rows, self.metric)

    @property
    def best(self) -> Row | None:
        """Return the best cell; None without a value, or where seeds are grouped."""
        first = self.ordered[0] if self.ordered and not self.groups else None
        return first if first is not None and first.value is not None else None

    @property
    def best_group(self) -> Group | None:
        """Return the group with the best mean, of those whose seeds all have a value."""
        first = self.groups[0] if self.groups else None
        return first if first is not None and mean_value(first) is not None else None

    @cached_property
    def columns(self) -> list[str]:
        """Names of the numbers to show: the metric first, then the main metrics that occur."""
        from handpose.evaluation.summarise import main_names  # imports torch

        found = {
            name for row in self.rows for name, value in row.results.items() if value is not None
        }
        names = [name for name in (self.metric, *main_names()) if name in found]
        return [name for name in dict.fromkeys(names) if name is not None]

    @cached_property
    def common(self) -> tuple[str, ...]:
        """Return the overrides that all cells share."""
        shared = set.intersection(*(set(row.cell.overrides) for row in self.rows))
        return tuple(o for o in self.rows[0].cell.overrides if o in shared)

    def own(self, overrides: Sequence[str]) -> str:
        """Return the overrides that not all cells share."""
        return " ".join(o for o in overrides if o not in self.common) or "(the only one)"

    @property
    def split(self) -> str:
        """Name of the split of the other numbers than the metric."""
        splits = {str(find(row.cell.config, "evaluate.split")) for row in self.rows}
        return " or ".join(sorted(splits - {"None"})) or "test"

    @property
    def caption(self) -> str:
        """Say what the cells are sorted by and which split it comes from."""
        if self.metric is None:
            return "No finished cell has a validation metric, so the cells are in launch order."
        better = "lower" if self.direction == "minimize" else "higher"
        return (
            f"Sorted by {self.metric} of the validation split ({better} is better). "
            f"Other numbers are of the {self.split} split and choose nothing."
        )

    def mean_pose(self, name: str) -> list[float]:
        """Return the different values of a number for the constant mean pose, sorted.

        Args:
            name: of the number, such as `pa_epe_mm`.
        """
        from handpose.evaluation.metrics import MEAN_POSE  # imports torch

        found = {row.results.get(f"{MEAN_POSE}{name}") for row in self.rows}
        return sorted(value for value in found if value is not None)


def heading(name: str) -> str:
    """Return a number's column heading: its name, unit and an arrow towards better."""
    metric = described(name)
    end = name.rpartition("_")[2]
    shown = f"{name.removesuffix(f'_{end}')} ({metric.unit})" if metric.unit else name
    return f"{shown} {_ARROWS['maximize' if metric.better == 'higher' else 'minimize']}"


def meaning(name: str) -> str:
    """Return a number's label and unit, for the legend."""
    return str(described(name).title)
