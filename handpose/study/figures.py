"""The figures of a study: the metric by labels, paired differences, and every seed."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator

from handpose.evaluation.summarise import describe
from handpose.report.style import (
    BASELINE,
    FINGER_COLOURS,
    INK,
    MODEL,
    MUTED,
    NORMAL,
    RULE,
    TRUTH,
    legend,
    new_panels,
    tidy,
    to_png,
)
from handpose.study.comparisons import Findings
from handpose.study.overview_figure import draw_overview
from handpose.study.result_tables import constant_name, percent
from handpose.study.study_file import Study
from handpose.study.study_keys import Place

_COLUMNS = 3
_MARKERS = "osD^vPX"
_DODGE = 1.05  # factor between neighbouring arms on the axis of labels
_MARGIN = 1.4  # factor between the ends of the axis and the outermost fractions


def make_figures(findings: Findings) -> dict[str, bytes]:
    """Draws all figures that have data; returns name -> PNG."""
    figures = {}
    if any(estimate.mean is not None for estimate in findings.means.values()):
        figures["metric_by_labels"] = _draw_means(findings)
        figures["seeds"] = _draw_seeds(findings)
    if any(found.estimate.mean is not None for found, *_ in findings.comparisons.values()):
        figures["overview"] = draw_overview(findings)
        figures["differences"] = _draw_differences(findings)
    return figures


def _arm_colours(study: Study) -> dict[str, str]:
    """Returns grey for the baseline and a colour for each other arm."""
    colours = [FINGER_COLOURS[finger] for finger in reversed(FINGER_COLOURS)]
    others = [arm for arm in study.arms if arm != study.baseline]
    own = {arm: colours[place % len(colours)] for place, arm in enumerate(others)}
    return {study.baseline: MUTED, **own}


def _draw_means(findings: Findings) -> bytes:
    """Draws a panel per head: means and intervals over the labels (log), and the constant."""
    study, title = findings.study, describe(findings.study.metric).title
    every = [(use, head) for use in study.uses for head in study.heads_of(use)]
    groups = [group for group in every if len(study.fractions_of(group[0])) > 1] or every
    figure, plots = new_panels(len(groups), columns=min(2, len(groups)), height=4.2)
    for axes, (use, head) in zip(plots, groups, strict=True):
        where = f"{title}: {', '.join(filter(None, (use, head)))}"
        tidy(axes, title=title if len(groups) == 1 else where, x="labels")
        _draw_constant(axes, findings, use, head)
        for order in range(len(study.arms)):
            _draw_arm(axes, findings, use, head, order)
        axes.set_xscale("log")
        fractions = study.fractions_of(use)
        axes.set_xticks(fractions, [percent(fraction) for fraction in fractions])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(min(fractions) / _MARGIN, max(fractions) * _MARGIN)
        legend(axes, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
    return to_png(figure)


def _draw_constant(axes: Axes, findings: Findings, use: str | None, head: str) -> None:
    """Draws a dashed line at the number of the constant prediction."""
    fractions = findings.study.fractions_of(use)
    every = [(part, findings.constant(Place(use, head, part))) for part in fractions]
    points = sorted((part, value) for part, value in every if value is not None)
    if points:
        (first, low), (last, high) = points[0], points[-1]
        points = [(first / _MARGIN, low), *points, (last * _MARGIN, high)]
        label = constant_name(str(findings.study.constant))
        dashed = (0, (4, 2))
        axes.plot(*zip(*points, strict=True), label=label, color=BASELINE, ls=dashed, lw=1.6)


def _draw_arm(axes: Axes, findings: Findings, use: str | None, head: str, order: int) -> None:
    """Draws the means of an arm, shifted so that intervals do not overlap."""
    study = findings.study
    arm = list(study.arms)[order]
    planned = sorted(study.fractions_of(use)) if arm in study.arms_of(use) else []
    every = [(part, findings.means[Place(use, head, part), arm]) for part in planned]
    known = [(part, e.mean, e.half or 0.0) for part, e in every if e.mean is not None]
    if known:
        fractions, values, halves = zip(*known, strict=True)
        axes.errorbar(
            _DODGE ** (order - (len(study.arms) - 1) / 2) * np.asarray(fractions),
            values,
            yerr=halves,
            label=arm,
            color=_arm_colours(study)[arm],
            marker=_MARKERS[order % len(_MARKERS)],
            markersize=5,
            linestyle="-" if order <= len(FINGER_COLOURS) else "--",  # the colours repeat
            linewidth=1.6,
            capsize=3,
        )


def _draw_panels(study: Study, height: float, draw: Callable[[Axes, Place, bool], None]) -> bytes:
    """Draws a panel per place with draw(axes, place, is_first of its row)."""
    places = study.places
    figure, plots = new_panels(len(places), columns=min(_COLUMNS, len(places)), height=height)
    for order, (axes, place) in enumerate(zip(plots, places, strict=True)):
        labels = f"{percent(place.fraction)} of the labels"
        is_alone = len({at[:2] for at in places}) == 1
        where = ", ".join(filter(None, (place.condition, place.head, labels)))
        tidy(axes, title=labels if is_alone else where, x="")
        draw(axes, place, order % _COLUMNS == 0)
    return to_png(figure)


def _draw_differences(findings: Findings) -> bytes:
    """Draws each pair's difference and interval, filled where it is significant."""
    study, unit = findings.study, describe(findings.study.metric).unit
    names = [f"{arm} − {against}" for arm, against in study.pairs]

    def draw(axes: Axes, place: Place, is_first: bool) -> None:
        axes.axvline(0, color=INK, linewidth=0.8)
        for height, pair in enumerate(study.pairs):
            comparison = findings.comparisons.get((place, *pair))
            if comparison is None:
                continue
            found = comparison.difference.estimate
            if found.low is not None and found.high is not None:
                axes.plot([found.low, found.high], [height] * 2, color=MODEL, linewidth=1.6)
            if found.mean is not None:
                filling = MODEL if comparison.is_significant else "white"
                axes.plot(found.mean, height, "o", color=MODEL, markerfacecolor=filling)
        axes.set_xlabel(f"difference{f', {unit}' if unit else ''}")
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        axes.set_yticks(range(len(names)), names if is_first else [""] * len(names))

    return _draw_panels(study, 1.1 + 0.3 * len(names), draw)


def _draw_seeds(findings: Findings) -> bytes:
    """Draws the value of every run; a line joins the runs of one seed."""
    study, title = findings.study, describe(findings.study.metric).title
    arms = list(study.arms)

    def draw(axes: Axes, place: Place, is_first: bool) -> None:
        for seed in study.seeds:
            own = [findings.values.get((place, arm, seed)) for arm in arms]
            values = [np.nan if one is None or one.value is None else one.value for one in own]
            known = np.flatnonzero(np.isfinite(values))
            axes.plot(known, np.take(values, known), color=TRUTH, linewidth=0.7, zorder=1)
            for order in known:
                colour = _arm_colours(study)[arms[order]]
                axes.plot(order, values[order], "o", color=colour, markersize=4.5, alpha=0.85)
        axes.set_ylabel(title, fontsize=NORMAL, color=MUTED)
        axes.set_xticks(range(len(arms)), arms, rotation=30, ha="right")
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.tick_params(labelsize=NORMAL)

    return _draw_panels(study, 3.0, draw)
