"""The look of every figure: colours, type, axes. An inch of a figure is 100 px of the page.

Figures are made without pyplot, which keeps them in memory.
"""

import io
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from handpose.skeleton import FINGERS

PAGE_WIDTH = 10.4  # inches
PIXELS_PER_INCH = 200  # twice those of the page, for sharp screens

INK = "#1f2933"
MUTED = "#69737f"
RULE = "#d8dde3"
TRUTH = "#9aa3ad"
MODEL = "#2f5fa8"
BASELINE = "#d07a1f"
WRIST = "#4b5563"
# Tol's "bright" scheme: distinct for the common kinds of colour blindness.
FINGER_COLOURS = dict(
    zip(FINGERS, ("#ee6677", "#ccbb44", "#228833", "#4477aa", "#aa3377"), strict=True)
)
SMALL, NORMAL, TITLE = 7.8, 8.5, 9.5  # points, of 1.4 px of the page


def joint_colour(joint: int) -> str:
    """Returns the colour of a joint's finger, or of the wrist."""
    return WRIST if joint == 0 else FINGER_COLOURS[FINGERS[(joint - 1) // 4]]


def new_figure(width: float, height: float) -> Figure:
    """Makes a white figure of this size in inches, without layout."""
    return Figure(figsize=(width, height), facecolor="white")


def new_panels(count: int, *, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """Makes a figure as wide as the page, with plots in a grid.

    Args:
        count: of the plots.
        columns: of the grid.
        height: of a plot, inches.
    """
    rows = -(-count // columns)
    figure = Figure(figsize=(PAGE_WIDTH, rows * height), facecolor="white", layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(count)]


def tidy(axes: Axes, *, title: str, x: str) -> None:
    """Sets the title and the label of the x axis in small type, faint rules and a thin spine."""
    axes.set_title(title, loc="left", fontsize=TITLE, color=INK, fontweight="bold", pad=8)
    axes.set_xlabel(x, fontsize=NORMAL, color=MUTED)
    axes.tick_params(labelsize=NORMAL, colors=MUTED, labelcolor=MUTED, length=0, pad=5)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Shows an image (H, W, 3) as large as the axes, resampled once to the figure's pixels."""
    width, height = (round(PIXELS_PER_INCH * length) for length in inches(axes))
    method = cv2.INTER_CUBIC if width > image.shape[1] else cv2.INTER_AREA
    axes.axis("off")
    axes.imshow(cv2.resize(image, (width, height), interpolation=method), interpolation="nearest")


def inches(axes: Axes) -> np.ndarray:
    """Returns width and height (2,) of axes without a layout."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return np.asarray(axes.get_position().size) * figure.get_size_inches()


def legend(axes: Axes, **settings: Any) -> None:
    """Adds a legend without a box; `settings` are those of `Axes.legend`."""
    axes.legend(frameon=False, fontsize=NORMAL, labelcolor=INK, handlelength=1.6, **settings)


def to_png(figure: Figure) -> bytes:
    """Encodes a figure as PNG, the same figure as the same bytes."""
    buffer = io.BytesIO()
    options: dict[str, Any] = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 4}}
    figure.savefig(buffer, format="png", dpi=PIXELS_PER_INCH, **options)
    return buffer.getvalue()
