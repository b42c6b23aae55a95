"""Curves over training: the loss and the metrics of a stage, and the health of the embeddings."""

import math
from textwrap import fill
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from handpose.evaluation.embedding_health import HEALTH
from handpose.evaluation.evaluation import Results
from handpose.evaluation.summarise import describe
from handpose.evaluation.training_metrics import TRAINING_METRICS, UNTRAINED
from handpose.report.style import (
    BASELINE,
    INK,
    MODEL,
    MUTED,
    NORMAL,
    SMALL,
    TRUTH,
    legend,
    new_panels,
    tidy,
    to_png,
)
from handpose.training.meters import STEP

_COLUMNS = 3
_STEP_COLUMNS = 4
_IN_TABLE_ONLY = ("step_p95_ms", "step_host_memory_mib")
_DASHED = (0, (4, 2))
_PROBE = "probe_"  # logged without "val_", and in some epochs alone
_LABEL_SHARE = 0.17  # of the axes' height: a value and the gap to its point
_LETTERS = 27  # in a line of an explanation below a plot
_HEIGHT, _EXPLANATION = 3.1, 0.98  # inches: of the figure, and of the explanations at its foot

Points = list[tuple[int, float]]
Curves = dict[str, Points]


class Panel(NamedTuple):
    """The curves of one metric."""

    name: str  # "loss", "rotation_error_deg"
    train: Points
    val: Points
    chance: Points


def stage_panels(curves: Curves, stage: str) -> list[Panel]:
    """Returns the loss, then the validation metrics, then the probe.

    Left out: terms of the loss, values at chance, and the health, which has its own figure.

    Args:
        curves: "<stage>/<kind>_<name>" -> [(epoch, value), ...].
        stage: "pretrain" or "finetune".
    """
    own = {
        name.removeprefix(f"{stage}/"): points
        for name, points in curves.items()
        if name.startswith(f"{stage}/")
    }
    val = {n.removeprefix("val_"): p for n, p in own.items() if n.startswith(("val_", _PROBE))}
    left_out = {*HEALTH, *(describe(name).chance for name in val)}
    metrics = [name for name in val if "loss" not in name and name not in left_out]
    metrics.sort(key=lambda name: (name.startswith(_PROBE), name))
    names = ["loss", *metrics] if {"train_loss", "val_loss"} & set(own) else metrics
    return [
        Panel(n, own.get(f"train_{n}", []), val.get(n, []), val.get(describe(n).chance, []))
        for n in names
    ]


def draw_curves(curves: Curves, stage: str) -> bytes | None:
    """Draws the panels of a stage.

    Args:
        curves: see `stage_panels`.
        stage: "pretrain" or "finetune".

    Returns:
        A PNG, or None if nothing was logged.
    """
    panels = stage_panels(curves, stage)
    if not panels:
        return None
    figure, plots = new_panels(len(panels), columns=min(_COLUMNS, max(len(panels), 2)), height=2.7)
    for axes, panel in zip(plots, panels, strict=True):
        _draw_panel(axes, panel)
    return to_png(figure)


def _draw_panel(axes: Axes, panel: Panel) -> None:
    tidy(axes, title=describe(panel.name).title, x="epoch")
    chance, train, val = map(from_1, (panel.chance, panel.train, panel.val))
    draw_line(axes, chance, "chance", color=BASELINE, linestyle=_DASHED)
    draw_line(axes, train, "training", color=TRUTH)
    draw_line(axes, val, "validation", color=MODEL)
    label_last(axes, val)
    whole_numbers(axes, 6)
    axes.margins(x=0.03, y=0.12)
    if panel.name != "loss":
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    _leave_room(axes, val)
    if axes.lines:
        legend(axes, loc="best")


def draw_steps(steps: Curves, stage: str) -> bytes | None:
    """Draws the values within the epochs of a stage, without those that are in the table alone.

    Args:
        steps: "<stage>/step_<name>" -> [(step, value), ...].
        stage: "pretrain" or "finetune".

    Returns:
        A PNG, or None if nothing was logged.
    """
    names = [metric.name for metric in TRAINING_METRICS if metric.name.startswith(STEP)]
    names = [name for name in names if name not in _IN_TABLE_ONLY]
    shown = {name: steps[f"{stage}/{name}"] for name in names if f"{stage}/{name}" in steps}
    if not shown:
        return None
    figure, plots = new_panels(len(shown), columns=min(len(shown), _STEP_COLUMNS), height=2.3)
    for axes, (name, points) in zip(plots, shown.items(), strict=True):
        tidy(axes, title=describe(name).title, x="step")
        draw_line(axes, points, "training", color=TRUTH)
        whole_numbers(axes, 3)
        if name != "step_loss":
            axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    return to_png(figure)


def draw_health(curves: Curves, results: Results) -> bytes | None:
    """Draws the health of the embeddings over pre-training, with how to read it.

    Args:
        curves: "pretrain/val_<name>" -> [(epoch, value), ...].
        results: of the run, for the values of the untrained network.

    Returns:
        A PNG, or None without pre-training.
    """
    names = [name for name in HEALTH if f"pretrain/val_{name}" in curves]
    if not names:
        return None
    figure, plots = new_panels(len(names), columns=len(names), height=_HEIGHT)
    foot = _EXPLANATION / _HEIGHT
    figure.get_layout_engine().set(rect=(0, foot, 1, 1 - foot))  # type: ignore[union-attr, call-arg]
    for axes, name in zip(plots, names, strict=True):
        points = [p for p in from_1(curves[f"pretrain/val_{name}"]) if math.isfinite(p[1])]
        _draw_health_panel(axes, name, points, results.get(f"{UNTRAINED}{name}"))
    return to_png(figure)


def _draw_health_panel(axes: Axes, name: str, points: Points, untrained: object) -> None:
    words = describe(name)
    tidy(axes, title=words.title, x="epoch")
    if points and isinstance(untrained, float):
        start = [(epoch, untrained) for epoch, _ in points]
        draw_line(axes, start, "untrained", color=BASELINE, linestyle=_DASHED)
    draw_line(axes, points, "trained", color=MODEL)
    label_last(axes, points)
    whole_numbers(axes, 4)
    axes.margins(x=0.05, y=0.2)
    if not points:
        text = "not defined for\nthese views"
        axes.text(0.5, 0.5, text, ha="center", color=MUTED, transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
    elif name != "uniformity":
        axes.set_ylim(bottom=0.0)
    _leave_room(axes, points)
    _write_below(axes, words.explanation)


def _write_below(axes: Axes, explanation: str) -> None:
    """Writes at the foot of the figure, in the space that the layout leaves free."""
    text = axes.annotate(
        fill(explanation, _LETTERS),
        (0, 0),
        xytext=(0, -34),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        fontsize=SMALL,
        color=MUTED,
    )
    text.set_in_layout(False)


def from_1(points: Points) -> Points:
    """Counts epochs from 1, as people do; the log counts from 0."""
    return [(epoch + 1, value) for epoch, value in points]


def draw_line(axes: Axes, points: Points, label: str, **style: Any) -> None:
    """Draws a line, or a dot for a single point; no-op without points.

    Args:
        axes: drawn on.
        points: (x, y).
        label: for the legend.
        style: of `Axes.plot`.
    """
    if points:
        marker = "o" if len(points) == 1 else ""
        axes.plot(*zip(*points, strict=True), label=label, marker=marker, linewidth=1.6, **style)


def whole_numbers(axes: Axes, count: int) -> None:
    """Puts up to `count` + 1 ticks on the x axis, at whole numbers only."""
    axes.xaxis.set_major_locator(MaxNLocator(count, integer=True, min_n_ticks=1))


def _leave_room(axes: Axes, points: Points) -> None:
    """Raises the top of the axes so that the label of `label_last` stays below the title."""
    bottom, top = axes.get_ylim()
    if points and math.isfinite(points[-1][1]):
        needed = bottom + (points[-1][1] - bottom) / (1 - _LABEL_SHARE)
        axes.set_ylim(top=max(top, needed))


def label_last(axes: Axes, points: Points) -> None:
    """Writes the last value of `points` at the end of its line on `axes`."""
    if points and math.isfinite(points[-1][1]):
        axes.plot(*points[-1], "o", color=MODEL, markersize=3.5)
        axes.annotate(
            f"{points[-1][1]:.3g}".replace("-", "−"),
            points[-1],
            xytext=(0, 6),
            textcoords="offset points",
            ha="right",
            fontsize=NORMAL,
            color=INK,
            fontweight="bold",
        )
