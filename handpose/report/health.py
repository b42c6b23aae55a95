"""The health of the representation over pre-training: four curves, each with how to read it."""

import math
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from handpose.evaluation.embedding_health import HEALTH
from handpose.evaluation.evaluation import Results
from handpose.report.curves import draw_line, from_1, name_last
from handpose.report.inputs import Curves
from handpose.report.rows import PRETEXT
from handpose.report.style import BASELINE, MODEL, MUTED, SMALL, new_panels, tidy, to_png

# title, and what is healthy and what a collapse looks like
GUIDES = {
    "alignment": (
        "Alignment",
        "0: the two views of a hand are one point. Falls with invariance; at 0 while uniformity is "
        "0 too it has collapsed.",
    ),
    "uniformity": (
        "Uniformity",
        "Lower is better: −4 is spread over the whole sphere, 0 is one point. Rising to 0 is a "
        "collapse.",
    ),
    "rank": (
        "Rank (RankMe)",
        "How many directions are in use: higher is better. Falling to 1 is a collapse, a low "
        "plateau a partial one.",
    ),
    "equivariance_error": (
        "Equivariance error",
        "0: the turn between two views can be read from them, 1: it is gone, by invariance or by "
        "collapse; the rank tells which.",
    ),
}
_LETTERS = 36  # a line of a guide
_HEIGHT, _GUIDE = 2.9, 0.72  # inches: of the figure, and of the guides at its foot


def draw_health(curves: Curves, results: Results) -> bytes | None:
    """The curves beside the untrained network's values as one PNG; None without pre-training."""
    if not any(f"pretrain/val_{name}" in curves for name in HEALTH):
        return None
    figure, plots = new_panels(len(HEALTH), columns=len(HEALTH), height=_HEIGHT)
    foot = _GUIDE / _HEIGHT
    figure.get_layout_engine().set(rect=(0, foot, 1, 1 - foot))  # type: ignore[union-attr, call-arg]
    for axes, name in zip(plots, HEALTH, strict=True):
        _draw(axes, name, curves, results.get(f"{PRETEXT}untrained_{name}"))
    return to_png(figure)


def _draw(axes: Axes, name: str, curves: Curves, untrained: float | int | str | None) -> None:
    points = [p for p in from_1(curves.get(f"pretrain/val_{name}", [])) if math.isfinite(p[1])]
    title, guide = GUIDES[name]
    tidy(axes, title=title, x="epoch")
    if points and isinstance(untrained, float):
        start = [(epoch, untrained) for epoch, _ in points]
        draw_line(axes, start, "untrained", color=BASELINE, linestyle=(0, (4, 2)))
    draw_line(axes, points, "trained", color=MODEL)
    name_last(axes, points)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.margins(x=0.05, y=0.2)
    if not points:
        words = "not defined for\nthese views"
        axes.text(0.5, 0.5, words, ha="center", color=MUTED, transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
    elif name != "uniformity":
        axes.set_ylim(bottom=0.0)
    _write_guide(axes, guide)


def _write_guide(axes: Axes, guide: str) -> None:
    """At the foot of the figure, in the place that the layout leaves free."""
    text = axes.annotate(
        fill(guide, _LETTERS),
        (0, 0),
        xytext=(0, -34),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        fontsize=SMALL,
        color=MUTED,
    )
    text.set_in_layout(False)
