"""Predictions beside the truth: over the source image, and in 3D. N samples, J = 21 joints."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from handpose.evaluation.evaluation import Evaluation, errors_in_2d, pa_errors
from handpose.geometry.align import procrustes
from handpose.report.drawing import overlay
from handpose.report.samples import mean_over_hand
from handpose.report.skeleton3d import SIGHTS, Pose, centred, draw_pose, millimetres_per_inch
from handpose.report.style import (
    FINGER_COLOURS,
    INK,
    MUTED,
    PAGE_WIDTH,
    SMALL,
    TRUTH,
    new_figure,
    show_picture,
    to_png,
)

_COLUMNS = 4
_GAP, _TEXT, _BOTTOM = 0.16, 0.68, 0.62  # inches
_PICTURE = (PAGE_WIDTH - (_COLUMNS - 1) * _GAP) / _COLUMNS
_SKELETON = (_PICTURE / 2 - 0.08, 1.5)  # inches


def draw_predictions(
    evaluation: Evaluation, rows: list[int], images: dict[int, np.ndarray]
) -> bytes | None:
    """One column a sample: the image with both skeletons, its errors, two 3D views. PNG.

    Where none of them is labelled in 3D the views are left out.
    """
    rows = [row for row in rows if int(evaluation.index[row]) in images]
    if not rows:
        return None
    sights = SIGHTS if evaluation.xyz_valid[rows].any() else ()
    height = _PICTURE + _TEXT + (_SKELETON[1] if sights else 0) + _BOTTOM
    figure = new_figure(max(len(rows), 2) * (_PICTURE + _GAP) - _GAP, height)
    poses, captions = _poses(evaluation, rows), _captions(evaluation, rows)
    scale = millimetres_per_inch(poses, width=_SKELETON[0], height=_SKELETON[1])
    for column, row in enumerate(rows):
        left = column * (_PICTURE + _GAP)
        picture = _picture(evaluation, row, images[int(evaluation.index[row])])
        show_picture(_box(figure, left, 0, _PICTURE, _PICTURE), picture)
        _write(figure, left, captions[column])
        for place, sight in enumerate(sights):
            axes = _box(figure, left + place * _PICTURE / 2, _PICTURE + _TEXT, *_SKELETON)
            draw_pose(axes, poses[column], sight, scale=scale)
    _draw_legend(figure)
    return to_png(figure)


def _box(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Bare axes, placed by inches from the figure's top left corner."""
    w, h = figure.get_size_inches()
    axes = figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))
    axes.axis("off")
    return axes


def _picture(evaluation: Evaluation, row: int, image: np.ndarray) -> np.ndarray:
    uv, true = evaluation.uv[row].numpy(), evaluation.true_uv[row].numpy()
    return overlay(image, uv, true, evaluation.uv_valid[row].numpy())


def _poses(evaluation: Evaluation, rows: list[int]) -> list[Pose]:
    """The predictions after the alignment that their error is measured after."""
    true, valid = evaluation.true_xyz[rows], evaluation.xyz_valid[rows]
    aligned = procrustes(evaluation.xyz[rows], true, valid).apply(evaluation.xyz[rows])
    hands = zip(aligned.numpy(), true.numpy(), valid.numpy(), strict=True)
    return [centred(*hand) for hand in hands]


def _captions(evaluation: Evaluation, rows: list[int]) -> list[tuple[str, str]]:
    """For each sample its error, by which it was chosen, and what else there is to say."""
    e = evaluation
    aligned = mean_over_hand(pa_errors(e), e.pa_valid)[rows].tolist()
    pixels = mean_over_hand(errors_in_2d(e), e.uv_valid)[rows].tolist()
    captions = []
    for row, in_3d, in_2d in zip(rows, aligned, pixels, strict=True):
        errors = [f"{in_3d:.1f} mm aligned", f"{in_2d:.1f} px in 2D"]
        known = [text for text in errors if not text.startswith("nan")] or ["no labels"]
        side = "left hand" if e.is_left[row] else "right hand"
        captions.append((known[0], " · ".join((*known[1:], side, f"no. {int(e.index[row])}"))))
    return captions


def _write(figure: Figure, left: float, caption: tuple[str, str]) -> None:
    """The two lines under a picture, `left` inches from the left."""
    width, height = figure.get_size_inches()
    styles: tuple[dict[str, Any], ...] = (
        {"fontsize": 10, "color": INK, "weight": "bold"},
        {"fontsize": SMALL, "color": MUTED},
    )
    for line, (text, style) in enumerate(zip(caption, styles, strict=True)):
        y = 1 - (_PICTURE + 0.18 + 0.2 * line) / height
        figure.text(left / width, y, text, va="center", **style)


def _draw_legend(figure: Figure) -> None:
    """The colours of the fingers and of the truth, along the bottom."""
    entries = {**FINGER_COLOURS, "truth (over the image: white)": TRUTH}
    figure.legend(
        [Line2D([], [], color=colour, linewidth=2.4) for colour in entries.values()],
        list(entries),
        loc="lower left",
        bbox_to_anchor=(0, 0.01),
        ncols=len(entries),
        frameon=False,
        fontsize=SMALL,
        labelcolor=MUTED,
        handlelength=1.2,
        columnspacing=0.9,
        borderaxespad=0,
        borderpad=0,
    )
