"""The metric of a sweep: the number that its cells are compared by, and which way is better.

It comes from the validation split. The test split is never used to choose a cell.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from handpose.messages import did_you_mean, nearest
from handpose.pipeline.run_directory import RESULTS, read_json

Direction = Literal["minimize", "maximize"]
_HELD_OUT = "pretext_"  # measured on held-out pairs, never on the test split


def metric_problems(metric: str | None, configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return why a sweep cannot choose by a metric.

    Args:
        metric: `sweep_metric`, None for the default.
        configs: resolved configuration of each cell.
    """
    from handpose.evaluation.summarise import VALIDATION, summary_names  # imports torch

    if metric is None or metric.startswith(_HELD_OUT) or metric in VALIDATION:
        return []
    names = summary_names()
    if metric not in names:
        near = did_you_mean(nearest(metric, [*VALIDATION, *names]))
        return [f"sweep_metric={metric}: results.json has no such number{near}"]
    if all(config["evaluate"]["split"] == "val" for config in configs):
        return []
    return [
        f"sweep_metric={metric}: is measured on the test split, which must not choose a cell; "
        f"choose {' or '.join(VALIDATION)}, or set evaluate.split=val"
    ]


def found_metric(metric: str | None, results: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the metric of a sweep: the given one, or the validation metric that results have.

    Args:
        metric: `sweep_metric`, None for the default.
        results: of the finished cells.
    """
    from handpose.evaluation.summarise import VALIDATION  # imports torch

    if metric is not None:
        return metric
    names = (name for name in VALIDATION for own in results if own.get(name) is not None)
    return next(names, None)


def value_of(metric: str | None, results: Mapping[str, Any]) -> float | None:
    """Return the finite value of a cell's metric; None if its results have none.

    Args:
        metric: `sweep_metric`, None for the default.
        results: of the cell.
    """
    name = found_metric(metric, [results])
    value = None if name is None else results.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def read_value(metric: str | None, folder: Path) -> float | None:
    """Return the metric of the finished run in `folder`; None without results.

    Args:
        metric: `sweep_metric`, None for the default.
        folder: run directory.
    """
    return value_of(metric, read_json(folder / RESULTS)) if (folder / RESULTS).is_file() else None


def direction_of(metric: str | None) -> Direction:
    """Return the direction of a metric; that of the default is to minimize."""
    return "maximize" if metric is not None and described(metric).better == "higher" else "minimize"


def described(metric: str) -> Any:
    """Return the declaration of a metric: label, unit and direction."""
    from handpose.evaluation.summarise import describe  # imports torch

    return describe(metric.removeprefix(_HELD_OUT))
