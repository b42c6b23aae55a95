"""The samples that a report draws: predictions over the image and in 3D, beside the truth.

N samples, J = 21 joints.
"""

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from handpose.data.base import HandDataset
from handpose.evaluation import joint_errors
from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.joint_errors import JointErrors
from handpose.geometry.align import procrustes
from handpose.report.skeletons import (
    SIGHTS,
    Pose,
    centred,
    draw_pose,
    millimetres_per_inch,
    overlay,
)
from handpose.report.style import (
    FINGER_COLOURS,
    INK,
    MUTED,
    PAGE_WIDTH,
    SMALL,
    TRUTH,
    new_figure,
    show_image,
    to_png,
)
from handpose.skeleton import NUM_JOINTS

# An alignment of few joints fits whatever was predicted, so such hands are no examples.
_ENOUGH_JOINTS = NUM_JOINTS // 2
_COLUMNS = 4
_GAP, _TEXT, _BOTTOM = 0.16, 0.68, 0.62  # inches
_IMAGE = (PAGE_WIDTH - (_COLUMNS - 1) * _GAP) / _COLUMNS
_SKELETON = (_IMAGE / 2 - 0.08, 1.5)  # inches


def samples_to_draw(evaluation: Evaluation, *, each: int = 4) -> dict[str, list[int]]:
    """Chooses samples by their error (see `sample_errors`), different ones if there are three.

    Args:
        evaluation: predictions and truth.
        each: samples of each kind, at most.

    Returns:
        "best" and "worst" (the extreme one first) and "median" -> rows of the evaluation.
    """
    errors = sample_errors(evaluation)
    order = errors.argsort(stable=True)[: int(errors.isfinite().sum())].tolist()
    count = min(each, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    return {
        "best": order[:count],
        "median": order[middle : middle + count],
        "worst": order[::-1][:count],
    }


def images_to_draw(evaluation: Evaluation, dataset: HandDataset) -> dict[int, np.ndarray]:
    """Loads the images of the samples to draw.

    Args:
        evaluation: predictions and truth.
        dataset: the source, unaugmented.

    Returns:
        Place in the dataset -> (H, W, 3) uint8.
    """
    rows = [row for chosen in samples_to_draw(evaluation).values() for row in chosen]
    places = [int(evaluation.index[row]) for row in rows]
    return {place: dataset[place].image for place in places}


def sample_errors(evaluation: Evaluation) -> Tensor:
    """Returns the error that ranks the samples (N,), NaN without labels for it.

    The aligned 3D error, or the 2D error if no sample is labelled in 3D.
    """
    in_3d = evaluation.pa_valid.any()
    return _mean_over_hand(
        joint_errors.aligned(evaluation) if in_3d else joint_errors.in_2d(evaluation)
    )


def _mean_over_hand(errors: JointErrors) -> Tensor:
    """Returns each sample's mean over its labelled joints (N,), NaN for too few of them.

    If no sample has enough, a single joint is enough.
    """
    values, valid, _ = errors
    count = valid.sum(1)
    needed = min(_ENOUGH_JOINTS, max(int(count.max()), 1)) if len(count) else 1
    mean = torch.where(valid, values, 0.0).sum(1) / count
    return torch.where(count >= needed, mean, torch.nan)


def draw_predictions(
    evaluation: Evaluation, rows: list[int], images: dict[int, np.ndarray]
) -> bytes | None:
    """Draws a column per sample: the image with both skeletons, its errors, two 3D views.

    Args:
        images: place in the dataset -> (H, W, 3) uint8; samples without one are left out.

    Returns:
        A PNG, without the 3D views if no sample has 3D labels; None without samples.
    """
    rows = [row for row in rows if int(evaluation.index[row]) in images]
    if not rows:
        return None
    sights = SIGHTS if evaluation.xyz_valid[rows].any() else ()
    height = _IMAGE + _TEXT + (_SKELETON[1] if sights else 0) + _BOTTOM
    figure = new_figure(max(len(rows), 2) * (_IMAGE + _GAP) - _GAP, height)
    poses, captions = aligned_poses(evaluation, rows), _captions(evaluation, rows)
    scale = millimetres_per_inch(poses, width=_SKELETON[0], height=_SKELETON[1])
    for column, row in enumerate(rows):
        left = column * (_IMAGE + _GAP)
        image = draw_over(evaluation, row, images[int(evaluation.index[row])])
        show_image(_axes(figure, left, 0, _IMAGE, _IMAGE), image)
        _write(figure, left, captions[column])
        for place, sight in enumerate(sights):
            axes = _axes(figure, left + place * _IMAGE / 2, _IMAGE + _TEXT, *_SKELETON)
            draw_pose(axes, poses[column], sight, scale=scale)
    _draw_legend(figure)
    return to_png(figure)


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Adds bare axes, placed in inches from the figure's top left corner."""
    w, h = figure.get_size_inches()
    axes = figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))
    axes.axis("off")
    return axes


def draw_over(e: Evaluation, row: int, image: np.ndarray, *, size: int = 520) -> np.ndarray:
    """Draws the prediction and the truth of a row over its image; see `overlay`."""
    uv, true, valid = (field[row].numpy() for field in (e.uv, e.true_uv, e.uv_valid))
    return overlay(image, uv, true, valid, size=size)


def aligned_poses(evaluation: Evaluation, rows: list[int]) -> list[Pose]:
    """Returns truth and prediction of some rows, aligned as for their error."""
    true, valid = evaluation.true_xyz[rows], evaluation.xyz_valid[rows]
    aligned = procrustes(evaluation.xyz[rows], true, valid).apply(evaluation.xyz[rows])
    hands = zip(aligned.numpy(), true.numpy(), valid.numpy(), strict=True)
    return [centred(*hand) for hand in hands]


def _captions(evaluation: Evaluation, rows: list[int]) -> list[tuple[str, str]]:
    """Returns two lines per sample: its main error, then the rest."""
    e = evaluation
    aligned = _mean_over_hand(joint_errors.aligned(e))[rows].tolist()
    pixels = _mean_over_hand(joint_errors.in_2d(e))[rows].tolist()
    captions = []
    for row, in_3d, in_2d in zip(rows, aligned, pixels, strict=True):
        errors = [f"{in_3d:.1f} mm aligned", f"{in_2d:.1f} px in 2D"]
        known = [text for text in errors if not text.startswith("nan")] or ["no labels"]
        side = "left hand" if e.is_left[row] else "right hand"
        captions.append((known[0], " · ".join((*known[1:], side, f"no. {int(e.index[row])}"))))
    return captions


def _write(figure: Figure, left: float, caption: tuple[str, str]) -> None:
    """Writes the two lines below an image, `left` inches from the left."""
    width, height = figure.get_size_inches()
    styles: tuple[dict[str, Any], ...] = (
        {"fontsize": 10, "color": INK, "weight": "bold"},
        {"fontsize": SMALL, "color": MUTED},
    )
    for line, (text, style) in enumerate(zip(caption, styles, strict=True)):
        y = 1 - (_IMAGE + 0.18 + 0.2 * line) / height
        figure.text(left / width, y, text, va="center", **style)


def _draw_legend(figure: Figure) -> None:
    """Explains the colours of the fingers and of the truth, along the bottom."""
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
