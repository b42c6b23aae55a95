"""The curves of a stage: its loss and its validation metrics, each beside its chance line."""

import math
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from handpose.evaluation.embedding_health import HEALTH
from handpose.report.inputs import Curves
from handpose.report.style import (
    BASELINE,
    INK,
    MODEL,
    NORMAL,
    TRUTH,
    legend,
    new_panels,
    tidy,
    to_png,
)

_COLUMNS = 3
_UNITS = {"deg": "degrees", "mm": "mm", "px": "px"}
_TITLES = {
    "loss": "Loss",
    "pa_epe": "Aligned 3D error (PA)",
    "epe2d_crop": "2D error in the crop",
    "log_scale_error": "Error of the log scale",
    "top1": "Partner found first (top 1)",
    "probe_pa_epe": "Probe: aligned 3D error (PA)",
}
_STEPS = {
    "step_loss": "Loss",
    "step_learning_rate": "Learning rate",
    "step_gradient_norm": "Gradient norm",
    "step_images_per_second": "Images/s",
    "step_memory_mib": "Memory, MiB",
}
_PROBE, _PROBE_CHANCE = "probe_pa_epe_mm", "probe_mean_pose_pa_epe_mm"

Points = list[tuple[int, float]]


class Panel(NamedTuple):
    """One plot: the curves of one quantity."""

    name: str  # "loss", "rotation_error_deg"
    train: Points
    val: Points
    chance: Points


def stage_panels(curves: Curves, stage: str) -> list[Panel]:
    """The loss, then every validation metric that is no part of the loss and no chance line.

    The health of the representation has a figure of its own; the probe comes last.
    """
    own = {
        name.removeprefix(f"{stage}/"): points
        for name, points in curves.items()
        if name.startswith(f"{stage}/")
    }
    probe = (
        [Panel(_PROBE, [], own.pop(_PROBE), own.pop(_PROBE_CHANCE, []))] if _PROBE in own else []
    )
    metrics = sorted(
        name.removeprefix("val_")
        for name in own
        if name.startswith("val_") and "loss" not in name and "chance" not in name
    )
    metrics = [name for name in metrics if name not in HEALTH]
    names = ["loss", *metrics] if {"train_loss", "val_loss"} & set(own) else metrics
    return [
        Panel(name, own.get(f"train_{name}", []), own.get(f"val_{name}", []), _chance(own, name))
        for name in names
    ] + probe


def _chance(curves: Curves, name: str) -> Points:
    """What the best constant, or a guess, gets, where it was logged."""
    candidates = (name.replace("error", "chance"), f"{name}_chance")
    return next((curves[f"val_{c}"] for c in candidates if c != name and f"val_{c}" in curves), [])


def draw_curves(curves: Curves, stage: str) -> bytes | None:
    """The stage's plots as one PNG, or None where nothing was logged."""
    panels = stage_panels(curves, stage)
    if not panels:
        return None
    figure, plots = new_panels(len(panels), columns=min(_COLUMNS, max(len(panels), 2)), height=2.7)
    for axes, panel in zip(plots, panels, strict=True):
        _draw_panel(axes, panel)
    return to_png(figure)


def draw_steps(curves: Curves, stage: str) -> bytes | None:
    """The stage's values within its epochs, side by side as one PNG; None where there are none."""
    shown = {name: curves[f"{stage}/{name}"] for name in _STEPS if f"{stage}/{name}" in curves}
    if not shown:
        return None
    figure, plots = new_panels(len(shown), columns=len(shown), height=2.3)
    for axes, (name, points) in zip(plots, shown.items(), strict=True):
        tidy(axes, title=_STEPS[name], x="step")
        draw_line(axes, points, "training", color=TRUTH)
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        if name != "step_loss":
            axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    return to_png(figure)


def panel_title(name: str) -> str:
    """The quantity `name` in words, with its unit."""
    stem, _, suffix = name.rpartition("_")
    stem, unit = (stem, _UNITS[suffix]) if suffix in _UNITS else (name, "")
    title = _TITLES.get(stem) or stem.replace("_", " ").capitalize()
    return f"{title}, {unit}" if unit else title


def _draw_panel(axes: Axes, panel: Panel) -> None:
    tidy(axes, title=panel_title(panel.name), x="epoch")
    chance, train, val = map(from_1, (panel.chance, panel.train, panel.val))
    draw_line(axes, chance, "chance", color=BASELINE, linestyle=(0, (4, 2)))
    draw_line(axes, train, "training", color=TRUTH)
    draw_line(axes, val, "validation", color=MODEL)
    name_last(axes, val)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.margins(x=0.03, y=0.12)
    if panel.name != "loss":
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    if axes.lines:
        legend(axes, loc="best")


def from_1(points: Points) -> Points:
    """The log counts epochs from 0, people count them from 1."""
    return [(epoch + 1, value) for epoch, value in points]


def draw_line(axes: Axes, points: Points, label: str, **style: Any) -> None:
    """A line, or a dot where there was one epoch."""
    if points:
        marker = "o" if len(points) == 1 else ""
        axes.plot(*zip(*points, strict=True), label=label, marker=marker, linewidth=1.6, **style)


def name_last(axes: Axes, points: Points) -> None:
    """Writes the last value at the end of its line."""
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
