"""metrics.csv, which every run writes: its logger, and its curves."""

import csv
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from handpose.loggers.base import RunLogger
from handpose.training.meters import STEP

_COLUMNS = ("epoch", "step", "name", "value")
_LONGEST_ROW = 1000  # upper limit of a row, in bytes


class CsvLog(RunLogger):
    """Append one row (epoch, step, name, value) per metric to `path`.

    Both stages and all resumes append to the same file.
    """

    takes_outcome = False

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        return "csv"

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        epoch = metrics.get("epoch")
        rows = ((epoch, step, name, value) for name, value in metrics.items() if name != "epoch")
        _append(rows, self.path)


def read_curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Read {name: [(epoch, value), ...]} from metrics.csv, last value per epoch."""
    return _curves((row for row in _rows(path) if f"/{STEP}" not in row["name"]), "epoch")


def read_steps(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Read {name: [(step, value), ...]} of the metrics per step."""
    return _curves((row for row in _rows(path) if f"/{STEP}" in row["name"]), "step")


def _curves(rows: Iterable[dict[str, str]], place: str) -> dict[str, list[tuple[int, float]]]:
    """Collect points by name; of repeated points the last one counts."""
    curves: dict[str, dict[int, float]] = {}
    for row in rows:
        if row[place]:
            curves.setdefault(row["name"], {})[int(float(row[place]))] = float(row["value"])
    return {name: sorted(values.items()) for name, values in curves.items()}


def add_curves(source: Path, target: Path, loggers: Iterable[Logger] = ()) -> None:
    """Copy the rows of one metrics.csv to another, except rows that it has already.

    Args:
        source: metrics.csv to read; no-op if missing.
        target: metrics.csv of the run.
        loggers: of the run; all except `CsvLog` receive the added rows too.
    """
    known = {tuple(row[c] for c in _COLUMNS[:-1]) for row in _rows(target)}
    rows = {tuple(row[c] for c in _COLUMNS[:-1]): row["value"] for row in _rows(source)}
    added = [(*place, value) for place, value in rows.items() if place not in known]
    if added:
        _append(added, target)
    for logger in loggers:
        if not isinstance(logger, CsvLog):
            _tell(logger, added)


def _tell(logger: Logger, rows: Iterable[tuple[str, ...]]) -> None:
    """Log rows of metrics.csv, grouped by epoch and step as they were logged first."""
    for (epoch, step), group in groupby(rows, key=lambda row: row[:2]):
        metrics = {name: float(value) for *_, name, value in group}
        metrics |= {"epoch": float(epoch)} if epoch else {}
        logger.log_metrics(metrics, step=int(step) if step else None)


def _append(rows: Iterable[Sequence[Any]], path: Path) -> None:
    """Append rows to metrics.csv, after removing an incomplete last row of a killed process."""
    with path.open("a+b") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LONGEST_ROW))
        size -= len(file.read().rpartition(b"\n")[2])
        file.truncate(size)
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if size == 0:
            writer.writerow(_COLUMNS)
        writer.writerows(rows)


def _rows(path: Path) -> list[dict[str, str]]:
    """Read the complete rows of metrics.csv."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["value"]]
