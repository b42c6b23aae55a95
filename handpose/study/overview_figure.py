"""One figure of a study: the effect of every arm in every condition, with intervals."""

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from handpose.evaluation.summarise import describe
from handpose.report.style import (
    BASELINE,
    INK,
    MODEL,
    MUTED,
    PAGE_WIDTH,
    RULE,
    SMALL,
    tidy,
    to_png,
)
from handpose.study.comparisons import Findings
from handpose.study.result_tables import (
    PRIMARY,
    constant_name,
    percent_change,
    place_text,
    signed,
)
from handpose.study.statistics import Difference
from handpose.study.study_file import Study
from handpose.study.study_keys import Place

_ROW, _MARGINS = 0.29, 1.2  # inches: an arm, and what is above and below the arms
_BESIDE: dict[str, Any] = {"fontsize": SMALL, "color": MUTED, "va": "center", "ha": "left"}
_TINT = "#f2f6fc"  # behind the primary endpoint
_COLUMNS = 3
_FARTHEST = 1.7  # the constant is drawn up to this multiple of the other numbers' reach


def shown_places(study: Study) -> list[list[Place]]:
    """Returns the places of the figure, a list per row of panels.

    With conditions it has heads x conditions at one fraction: that of the primary endpoint, else
    the first, or the nearest one that a condition has. Without conditions it has heads x fractions.
    """
    if study.conditions is None:
        return [[Place(None, head, part) for part in study.fractions] for head in study.heads]
    wanted = study.primary.fraction if study.primary else study.fractions[0]

    def nearest(use: str | None) -> float:
        return min(study.fractions_of(use), key=lambda part: abs(log(part / wanted)))

    rows = [
        [Place(use, head, nearest(use)) for use in study.uses if head in study.heads_of(use)]
        for head in study.heads
    ]
    return [row for row in rows if row]


def draw_overview(findings: Findings) -> bytes:
    """Draws each arm's change against the baseline with its interval, a panel per place."""
    study, rows = findings.study, _rows(findings)
    arms = [arm for arm in study.arms if arm != study.baseline]
    low, high = _limits(findings, [place for row in rows for place in row])
    height = _ROW * len(arms) + _MARGINS
    figure = Figure(figsize=(PAGE_WIDTH, len(rows) * height), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.05, h_pad=0.08)
    columns = max(map(len, rows))
    for line, row in enumerate(rows):
        for column, place in enumerate(row):
            axes = figure.add_subplot(len(rows), columns, line * columns + column + 1)
            axes.set_xlim(low, high)
            _draw_panel(axes, findings, place, arms, is_first=column == 0)
    return to_png(figure)


def _rows(findings: Findings) -> list[list[Place]]:
    """Returns the places where the baseline has a result, three panels a row at most.

    Others have no change to draw; the table has them. The primary one is always there.
    """
    study, means = findings.study, findings.means

    def is_shown(at: Place) -> bool:
        base = means.get((at, study.baseline))
        is_primary = study.primary is not None and at == study.primary.place
        return is_primary or (base is not None and base.mean is not None)

    every = shown_places(study)
    kept = [[at for at in row if is_shown(at)] for row in every]
    rows = [row[i : i + _COLUMNS] for row in kept for i in range(0, len(row), _COLUMNS)]
    return rows or [every[0][:_COLUMNS]]


def _difference(findings: Findings, place: Place, arm: str) -> Difference | None:
    found = findings.comparisons.get((place, arm, findings.study.baseline))
    return None if found is None or found.difference.estimate.mean is None else found.difference


def _limits(findings: Findings, places: Sequence[Place]) -> tuple[float, float]:
    """Returns the ends of the axis, in percent: all intervals, and the constants if not far."""
    reached = [0.0]
    for place in places:
        for arm in findings.study.arms:
            if found := _difference(findings, place, arm):
                ends = (found.estimate.mean, found.estimate.low, found.estimate.high)
                reached += [end for end in map(found.in_percent, ends) if end is not None]
    reach = max(map(abs, reached)) or 1.0
    constants = [value for place in places if (value := _constant(findings, place)) is not None]
    reached += [value for value in constants if abs(value) <= _FARTHEST * reach]
    room = 0.06 * (max(reached) - min(reached) or 1.0)
    return min(reached) - room, max(reached) + room


def _constant(findings: Findings, place: Place) -> float | None:
    """Returns the constant prediction against the baseline, in percent."""
    own, base = findings.constant(place), findings.means.get((place, findings.study.baseline))
    return None if own is None or base is None or not base.mean else 100 * (own / base.mean - 1)


def _draw_panel(
    axes: Axes, findings: Findings, place: Place, arms: Sequence[str], *, is_first: bool
) -> None:
    """Draws a row per arm: point, interval, and the change in the metric's unit and in percent."""
    study, unit = findings.study, describe(findings.study.metric).unit
    is_primary = study.primary is not None and place == study.primary.place
    tidy(axes, title=_title(findings, place, is_primary=is_primary), x="")
    axes.set_xlabel(_direction(study), fontsize=SMALL, color=MUTED)
    if is_primary:
        axes.set_facecolor(_TINT)
    axes.axvline(0, color=INK, linewidth=0.9)
    _draw_constant(axes, findings, place)
    for height, arm in enumerate(arms):
        _draw_arm(axes, findings, place, arm, height)
    axes.set_ylim(len(arms) - 0.1, -0.6)
    at: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(f"{unit or 'change'} (%)", (1.01, 1), (0, 17), **at, **_BESIDE)
    axes.set_yticks(range(len(arms)), arms if is_first else [""] * len(arms))
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=RULE, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    _add_unit_axis(axes, findings, place, unit)


def _title(findings: Findings, place: Place, *, is_primary: bool) -> str:
    """Writes "◆ across, heatmap, 5 %", and the baseline's mean on a second line."""
    base = findings.means.get((place, findings.study.baseline))
    unit = describe(findings.study.metric).unit
    own = "not run" if base is None or base.mean is None else f"{base.mean:.2f} {unit}".strip()
    return f"{f'{PRIMARY} ' * is_primary}{place_text(place)}\n{findings.study.baseline}: {own}"


def _direction(study: Study) -> str:
    text = f"change against {study.baseline}, %"
    return f"← better    {text}" if study.better == "lower" else f"{text}    better →"


def _draw_constant(axes: Axes, findings: Findings, place: Place) -> None:
    """Draws a dashed line at the constant prediction, or an arrow that points to it."""
    value = _constant(findings, place)
    if value is None:
        return
    name = constant_name(str(findings.study.constant))
    low, high = axes.get_xlim()
    if low <= value <= high:
        axes.axvline(value, color=BASELINE, linestyle=(0, (4, 2)), linewidth=1.4)
        at, text = value, name
    else:
        at = high if value > high else low
        text = f"{name} {percent_change(value)} →" if value > high else f"← {name}"
    side = "right" if at > (low + high) / 2 else "left"
    axes.annotate(
        f" {text} ",
        (at, 0.01),
        xycoords=("data", "axes fraction"),
        fontsize=SMALL,
        color=BASELINE,
        ha=side,
        va="bottom",
    )


def _draw_arm(axes: Axes, findings: Findings, place: Place, arm: str, height: int) -> None:
    """Draws one arm, filled where the corrected p is below 5 %."""
    found = _difference(findings, place, arm)
    if found is None:
        is_planned = arm in findings.study.arms_of(place.condition)
        text = "no result yet" if is_planned else "not planned"
        axes.text(1.01, height, text, transform=axes.get_yaxis_transform(), **_BESIDE)
        return
    is_significant = findings.comparisons[place, arm, findings.study.baseline].is_significant
    mean, low, high = (found.in_percent(end) for end in found.estimate[1:4])
    if low is not None and high is not None:
        axes.plot([low, high], [height] * 2, color=MODEL, linewidth=1.8)
    if mean is not None:
        filling = MODEL if is_significant else "white"
        axes.plot(mean, height, "o", color=MODEL, markerfacecolor=filling, markersize=5.5)
    change = signed(found.estimate.mean, lambda size: f"{size:.2f}")
    style = _BESIDE | ({"fontweight": "bold", "color": INK} if is_significant else {})
    text = f"{change} ({percent_change(mean)})"
    axes.text(1.01, height, text, transform=axes.get_yaxis_transform(), **style)


def _add_unit_axis(axes: Axes, findings: Findings, place: Place, unit: str) -> None:
    """Adds an axis above with the change in the metric's unit."""
    base = findings.means.get((place, findings.study.baseline))
    if base is None or not base.mean:
        return
    scale = base.mean / 100
    there, back = (lambda x: np.multiply(x, scale)), (lambda x: np.divide(x, scale))
    above = axes.secondary_xaxis("top", functions=(there, back))
    above.tick_params(labelsize=SMALL, colors=MUTED, labelcolor=MUTED, length=0, pad=2)
    above.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    above.spines["top"].set_visible(False)
    above.set_xlabel(unit or "change", fontsize=SMALL, color=MUTED, labelpad=2)
