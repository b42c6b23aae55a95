"""results.json as rows: a metric beside its median, its baseline and its control."""

import re
from typing import NamedTuple

from handpose.evaluation.evaluation import Results
from handpose.evaluation.metrics import COUNTS, SECOND_PASS
from handpose.report.words import METRIC_WORDS

Value = float | int | str | None

WORSE = "worse than the mean pose"
PRETEXT = "pretext_"  # errors on held-out pairs have a table of their own
_UNIT = re.compile(r"_(mm|px|deg)$")
_UNIT_NAMES = {"deg": "°"}


class Cell(NamedTuple):
    """One number of results.json."""

    key: str
    value: Value
    reason: str  # why it is null, else empty


class Row(NamedTuple):
    """A metric with whatever belongs beside it."""

    label: str
    explanation: str
    unit: str  # "mm", "px", "°" or empty
    mean: Cell
    median: Cell | None
    mean_pose: Cell | None
    shuffled: Cell | None
    hands: Cell | None
    joints: Cell | None

    @property
    def ratio(self) -> float | None:
        """The metric over the constant mean pose's."""
        if self.mean_pose is None or not self.mean_pose.value or self.mean.value is None:
            return None
        return float(self.mean.value) / float(self.mean_pose.value)

    @property
    def is_worse_than_mean_pose(self) -> bool:
        """Whether the constant mean pose would have done better; False where it has no value."""
        if self.ratio is None:
            return False
        return self.ratio < 1 if higher_is_better(self.mean.key) else self.ratio > 1

    @property
    def cells(self) -> dict[str, Cell]:
        """What there is, by the name of its column."""
        named = {
            "mean": self.mean,
            "median": self.median,
            "mean pose": self.mean_pose,
            "shuffled": self.shuffled,
            "hands": self.hands,
            "joints": self.joints,
        }
        return {name: cell for name, cell in named.items() if cell is not None}


def higher_is_better(name: str) -> bool:
    """Whether the metric `name` is a share of joints within a distance, and no error."""
    return "auc" in name or "pck" in name


def metric_rows(results: Results) -> list[Row]:
    """The metrics in the order of their words, then any others; those that are null last."""
    names = [name for name in results if _is_metric(name, results)]
    place = {name: rank for rank, name in enumerate(METRIC_WORDS)}
    names.sort(key=lambda name: (results[name] is None, place.get(_first(name), len(place))))
    return [_row(name, results) for name in names]


def facts(results: Results) -> dict[str, Cell]:
    """All that no row of `metric_rows` holds: counts, times, names."""
    shown = {cell.key for row in metric_rows(results) for cell in row.cells.values()}
    return {
        name: _cell(name, results)
        for name in results
        if name not in shown and not _is_reason(name, results) and not name.startswith(PRETEXT)
    }


def _row(name: str, results: Results) -> Row:
    unit = _unit(name)
    label, explanation = METRIC_WORDS.get(_first(name), (_words(name), ""))
    if name != _first(name):
        label = f"{label}, second pass"
        explanation = "The same, of crops about the joints that the first pass predicted."
    beside = (_cell(other, results) if other in results else None for other in _companions(name))
    return Row(label, explanation, _UNIT_NAMES.get(unit, unit), _cell(name, results), *beside)


def _first(name: str) -> str:
    """The name of the same number of the first pass."""
    return name.removeprefix(SECOND_PASS)


def _companions(name: str) -> tuple[str, ...]:
    """The names of its median, the mean pose's value, the control's, and its counts."""
    stem, unit = name.removesuffix(f"_{_unit(name)}"), _unit(name)
    median = f"{stem}_median_{unit}" if unit else f"{name}_median"
    return median, f"mean_pose_{name}", f"shuffled_{name}", *(f"{name}{end}" for end in COUNTS)


def _is_metric(name: str, results: Results) -> bool:
    if name.startswith(PRETEXT) or _is_reason(name, results):
        return False
    if not (_unit(name) or "auc" in name or _first(name) in METRIC_WORDS):
        return False
    return not any(name in _companions(other) for other in results if other != name)


def _is_reason(name: str, results: Results) -> bool:
    stem = name.removesuffix("_reason")
    return stem != name and stem in results and results[stem] is None


def _unit(name: str) -> str:
    found = _UNIT.search(name)
    return found.group(1) if found else ""


def _words(name: str) -> str:
    words = _UNIT.sub("", name).replace("_", " ")
    return words[:1].upper() + words[1:]


def _cell(name: str, results: Results) -> Cell:
    value = results[name]
    reason = "" if value is not None else str(results.get(f"{name}_reason") or "not computed")
    return Cell(name, value, reason)


def shown(value: Value, *, unit: str = "") -> str:
    """A value for people: two decimals with a unit, three without, thousands apart."""
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
