"""results.json as rows of tables: a metric beside its median, its baseline and its control."""

from typing import NamedTuple

from handpose.evaluation.evaluation import Results
from handpose.evaluation.metrics import MEAN_POSE, SHUFFLED
from handpose.evaluation.summarise import COUNTS, describe, row_names
from handpose.evaluation.training_metrics import PRETEXT, SPEED_METRICS, UNTRAINED, LoggedMetric

Value = float | int | str | None
_STAGES = ("pretrain", "finetune", "evaluate")


class Cell(NamedTuple):
    """One number of results.json."""

    key: str
    value: Value
    reason: str  # why it is null, else empty


class Row(NamedTuple):
    """A metric and its companions, None where there are none."""

    words: LoggedMetric
    mean: Cell
    median: Cell | None
    mean_pose: Cell | None
    shuffled: Cell | None
    hands: Cell | None
    joints: Cell | None

    @property
    def ratio(self) -> float | None:
        """The metric over that of the constant mean pose."""
        if self.mean_pose is None or not self.mean_pose.value or self.mean.value is None:
            return None
        return float(self.mean.value) / float(self.mean_pose.value)

    @property
    def is_worse_than_mean_pose(self) -> bool:
        """Whether the constant mean pose is better; False if it has no value."""
        if self.ratio is None:
            return False
        return self.ratio < 1 if self.words.better == "higher" else self.ratio > 1

    @property
    def cells(self) -> dict[str, Cell]:
        """Column -> cell, without the missing ones."""
        columns = ("mean", "median", "mean pose", "shuffled", "hands", "joints")
        named = zip(columns, self[1:], strict=True)
        return {name: cell for name, cell in named if cell is not None}

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Reason -> the columns that are null because of it."""
        return _reasons(self.cells)


class PretextRow(NamedTuple):
    """A number on held-out pairs, None where it does not apply."""

    words: LoggedMetric
    key: str
    trained: Value
    chance: Value
    untrained: Value

    @property
    def columns(self) -> dict[str, Value]:
        """Column -> value."""
        return {"trained": self.trained, "chance": self.chance, "untrained": self.untrained}


class SpeedRow(NamedTuple):
    """A meter of the stages that ran."""

    words: LoggedMetric
    cells: dict[str, Cell]  # by stage

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Reason -> the stages in which it is null because of it."""
        return _reasons(self.cells)


class Fact(NamedTuple):
    """A count, a time or a name."""

    label: str
    cell: Cell
    text: str


def metric_rows(results: Results) -> list[Row]:
    """Returns the metrics in the order of their declarations, those that are null last."""
    names = [name for name in row_names() if name in results]
    return [_row(name, results) for name in sorted(names, key=lambda name: results[name] is None)]


def pretext_rows(results: Results) -> list[PretextRow]:
    """Returns the numbers "pretext_<name>", beside chance and "pretext_untrained_<name>"."""
    names = [key.removeprefix(PRETEXT) for key in results if key.startswith(PRETEXT)]
    words = {
        name: describe(name)
        for name in names
        if not name.endswith("_reason") and not f"{PRETEXT}{name}".startswith(UNTRAINED)
    }
    chances = {own.chance for own in words.values()}
    return [
        PretextRow(
            words=own,
            key=f"{PRETEXT}{name}",
            trained=results[f"{PRETEXT}{name}"],
            chance=results.get(f"{PRETEXT}{own.chance}"),
            untrained=results.get(f"{UNTRAINED}{name}"),
        )
        for name, own in words.items()
        if name not in chances
    ]


def speed_rows(results: Results) -> list[SpeedRow]:
    """Returns the meters of the stages, in the order of their declarations."""
    rows = (
        SpeedRow(words, {s: _cell(f"{s}_{words.name}", results) for s in measured_stages(results)})
        for words in SPEED_METRICS
    )
    return [row for row in rows if row.cells]


def measured_stages(results: Results) -> list[str]:
    """Returns the stages that have meters."""
    return [stage for stage in _STAGES if f"{stage}_{SPEED_METRICS[0].name}" in results]


def facts(results: Results) -> list[Fact]:
    """Returns what is in no row: counts, times, names."""
    rows: tuple[Row | SpeedRow, ...] = (*metric_rows(results), *speed_rows(results))
    in_rows = {cell.key for row in rows for cell in row.cells.values()}
    return [
        Fact(_fact_label(name), _cell(name, results), _fact_text(name, results[name]))
        for name in results
        if name not in in_rows and not _is_reason(name, results) and not name.startswith(PRETEXT)
        if not isinstance(results[name], dict)  # the provenance has a block of its own
    ]


def _reasons(cells: dict[str, Cell]) -> dict[str, list[str]]:
    """Reason -> the columns that are null because of it."""
    found: dict[str, list[str]] = {}
    for column, cell in cells.items():
        if cell.value is None:
            found.setdefault(cell.reason, []).append(column)
    return found


def _row(name: str, results: Results) -> Row:
    words = describe(name)
    median = f"{name.removesuffix(f'_{words.unit}')}_median_{words.unit}"
    beside = (median, f"{MEAN_POSE}{name}", f"{SHUFFLED}{name}", *(f"{name}{c}" for c in COUNTS))
    cells = (_cell(other, results) if other in results else None for other in beside)
    return Row(words, _cell(name, results), *cells)


def _cell(name: str, results: Results) -> Cell:
    value = results[name]
    reason = "" if value is not None else str(results.get(f"{name}_reason") or "not computed")
    return Cell(name, value, reason)


def _is_reason(name: str, results: Results) -> bool:
    stem = name.removesuffix("_reason")
    return stem != name and stem in results and results[stem] is None


def _fact_label(name: str) -> str:
    """ "n_test" -> "Test samples", "pretrain_seconds" -> "Time, pretrain" """
    words = name.replace("_", " ").replace("pictures", "images")
    if words.startswith("n "):
        words = f"{words[2:]} samples"
    elif "seconds" in words:
        words = f"time, {words.replace('seconds', '').strip()}"
    return words[:1].upper() + words[1:]


def _fact_text(name: str, value: Value) -> str:
    return duration(value) if "seconds" in name and isinstance(value, float | int) else shown(value)


def shown(value: Value, *, unit: str = "") -> str:
    """Formats a value: two decimals with a unit, three without, thousands set apart."""
    if value is None:
        return "n/a"
    if isinstance(value, str | bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    return f"{value:.2f}" if unit else f"{value:.3f}"


def duration(seconds: float) -> str:
    """75.2 -> "1 min 15 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
