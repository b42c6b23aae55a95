"""The figures of a study: the metric by labels, paired differences, every seed."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator

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
from handpose.study.collect import Comparison, Findings, Mean
from handpose.study.definition import Study
from handpose.study.tables import constant
from handpose.study.wording import constant_words, is_significant, metric_words, percent

_COLUMNS = 3
_MARKERS = "osD^vPX"
_DODGE = 1.05  # factor between neighbours on the axis of labels
_MARGIN = 1.4  # factor between its ends and the outermost


def make_figures(findings: Findings) -> dict[str, bytes]:
    """Name -> PNG; what there is nothing to show of is left out."""
    figures = {}
    if any(mean.estimate.mean is not None for mean in findings.means):
        figures["metric_by_labels"] = _draw_means(findings)
        figures["seeds"] = _draw_seeds(findings)
    if any(c.difference.estimate.mean is not None for c in findings.comparisons):
        figures["differences"] = _draw_differences(findings)
    return figures


def arm_colours(study: Study) -> dict[str, str]:
    """The baseline in grey, each other arm in a colour of its own, as far as they reach."""
    colours = [FINGER_COLOURS[finger] for finger in reversed(FINGER_COLOURS)]
    others = [arm for arm in study.arms if arm != study.baseline]
    return {
        study.baseline: MUTED,
        **{arm: colours[place % len(colours)] for place, arm in enumerate(others)},
    }


def _draw_means(findings: Findings) -> bytes:
    """A panel a head: each arm's mean and interval over the labels (log), and the constant."""
    study, words = findings.study, metric_words(findings.study.metric)
    figure, plots = new_panels(len(study.heads), columns=min(2, len(study.heads)), height=4.2)
    for axes, head in zip(plots, study.heads, strict=True):
        title = words.title if len(study.heads) == 1 else f"{words.title}: {head}"
        tidy(axes, title=title, x="labels")
        _draw_constant(axes, findings, head)
        for place, arm in enumerate(study.arms):
            own = [m for m in findings.means if (m.arm, m.head) == (arm, head)]
            shift = _DODGE ** (place - (len(study.arms) - 1) / 2)
            _draw_arm(axes, own, study, shift, _MARKERS[place % len(_MARKERS)])
        _label_fractions(axes, study)
        legend(axes, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
    return to_png(figure)


def _draw_constant(axes: Axes, findings: Findings, head: str) -> None:
    """A dashed line of what the constant prediction gets."""
    every = [(part, constant(findings, head, part)) for part in findings.study.fractions]
    points = sorted((part, value) for part, value in every if value is not None)
    if points:
        ends = (points[0][0] / _MARGIN, points[-1][0] * _MARGIN)
        axes.plot(
            [ends[0], *(part for part, _ in points), ends[1]],
            [points[0][1], *(value for _, value in points), points[-1][1]],
            label=constant_words(str(findings.study.constant)),
            color=BASELINE,
            linestyle=(0, (4, 2)),
            linewidth=1.6,
        )


def _draw_arm(axes: Axes, means: list[Mean], study: Study, shift: float, marker: str) -> None:
    known = [
        (m.fraction, m.estimate.mean, m.estimate.half or 0.0)
        for m in sorted(means, key=lambda mean: mean.fraction)
        if m.estimate.mean is not None
    ]
    if known:
        fractions, values, halves = zip(*known, strict=True)
        axes.errorbar(
            shift * np.asarray(fractions),
            values,
            yerr=halves,
            label=means[0].arm,
            color=arm_colours(study)[means[0].arm],
            marker=marker,
            markersize=5,
            linewidth=1.6,
            capsize=3,
        )


def _label_fractions(axes: Axes, study: Study) -> None:
    axes.set_xscale("log")
    axes.set_xticks(study.fractions, [percent(fraction) for fraction in study.fractions])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(min(study.fractions) / _MARGIN, max(study.fractions) * _MARGIN)


def _panels(study: Study) -> Iterator[tuple[str, float, str]]:
    """Head, fraction and title of each panel."""
    for head in study.heads:
        for fraction in study.fractions:
            name = f"{percent(fraction)} of the labels"
            yield head, fraction, name if len(study.heads) == 1 else f"{head}, {name}"


def _draw_differences(findings: Findings) -> bytes:
    """A panel a head and fraction: each pair's mean difference and its interval, about 0."""
    study, words = findings.study, metric_words(findings.study.metric)
    panels = list(_panels(study))
    height = 1.1 + 0.3 * len(study.pairs)
    figure, plots = new_panels(len(panels), columns=min(_COLUMNS, len(panels)), height=height)
    for place, (axes, (head, fraction, title)) in enumerate(zip(plots, panels, strict=True)):
        own = [c for c in findings.comparisons if (c.head, c.fraction) == (head, fraction)]
        tidy(axes, title=title, x=f"difference{f', {words.unit}' if words.unit else ''}")
        _draw_forest(axes, own)
        names = [f"{c.arm} − {c.against}" for c in own]
        axes.set_yticks(range(len(own)), names if place % _COLUMNS == 0 else [""] * len(own))
    return to_png(figure)


def _draw_forest(axes: Axes, comparisons: list[Comparison]) -> None:
    """The first pair on top; filled where the corrected p is below 5 %."""
    axes.axvline(0, color=INK, linewidth=0.8)
    for height, one in enumerate(comparisons):
        found = one.difference.estimate
        if found.mean is None:
            continue
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [height, height], color=MODEL, linewidth=1.6)
        filling = MODEL if is_significant(one) else "white"
        axes.plot(found.mean, height, "o", color=MODEL, markerfacecolor=filling)
    axes.set_ylim(len(comparisons) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=RULE, linewidth=0.6)


def _draw_seeds(findings: Findings) -> bytes:
    """A panel a head and fraction: each run's value, the runs of one seed joined."""
    study, words = findings.study, metric_words(findings.study.metric)
    panels = list(_panels(study))
    figure, plots = new_panels(len(panels), columns=min(_COLUMNS, len(panels)), height=3.0)
    for axes, (head, fraction, title) in zip(plots, panels, strict=True):
        tidy(axes, title=title, x="", y=words.title)
        own = [v for v in findings.values if (v.head, v.fraction) == (head, fraction)]
        found = {(v.arm, v.seed): v.value for v in own if v.value is not None}
        for seed in study.seeds:
            line = [
                (p, found[arm, seed]) for p, arm in enumerate(study.arms) if (arm, seed) in found
            ]
            if line:
                axes.plot(*zip(*line, strict=True), color=TRUTH, linewidth=0.7, zorder=1)
        for (arm, _), value in found.items():
            place = list(study.arms).index(arm)
            axes.plot(place, value, "o", color=arm_colours(study)[arm], markersize=4.5, alpha=0.85)
        axes.set_xticks(range(len(study.arms)), study.arms, rotation=30, ha="right")
        axes.set_xlim(-0.5, len(study.arms) - 0.5)
        axes.tick_params(labelsize=NORMAL)
    return to_png(figure)
