"""Samples of an evaluation in the order of their error: over the picture, and in 3D.

N samples, J = 21 joints; mm.
"""

import numpy as np

from handpose.evaluation.evaluation import Evaluation
from handpose.explore.evaluations import Evaluated
from handpose.geometry.align import procrustes
from handpose.report.predictions import sample_errors
from handpose.report.skeletons import (
    SIGHTS,
    Pose,
    centred,
    draw_pose,
    millimetres_per_inch,
    overlay,
)
from handpose.report.style import new_figure, to_png

ORDERS = ("worst first", "best first")
_SIDE = 3.6  # inches of the skeleton's figure


def ranked(evaluation: Evaluation, order: str) -> list[tuple[int, float]]:
    """(row, error) of the samples that have an error, in one of `ORDERS`."""
    errors = sample_errors(evaluation)
    rows = errors.argsort(stable=True)[: int(errors.isfinite().sum())].tolist()
    if order == ORDERS[0]:
        rows.reverse()
    return [(row, float(errors[row])) for row in rows]


def unit(evaluation: Evaluation) -> str:
    """What the errors of `ranked` are in."""
    return "mm aligned" if evaluation.pa_valid.any() else "px in 2D"


def picture(evaluated: Evaluated, row: int, *, size: int) -> np.ndarray:
    """The sample's image with the prediction and, in white, the truth: (size, size, 3) uint8."""
    e = evaluated.evaluation
    image = evaluated.source[int(e.index[row])].image
    uv, true, valid = (field[row].numpy() for field in (e.uv, e.true_uv, e.uv_valid))
    return overlay(image, uv, true, valid, size=size)


def turned(pose: Pose, turn: float, tilt: float) -> Pose:
    """The pose turned about the vertical axis, then tilted about the horizontal one; degrees."""
    a, b = np.radians([turn, tilt])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    rotation = (about_x @ about_y).T
    return Pose(pose.predicted @ rotation, pose.true @ rotation, pose.valid)


def draw_skeleton(evaluation: Evaluation, row: int, *, turn: float, tilt: float) -> bytes:
    """Prediction (aligned, in its fingers' colours) and truth (grey), seen from there. PNG."""
    e = evaluation
    true, valid = e.true_xyz[row, None], e.xyz_valid[row, None]
    aligned = procrustes(e.xyz[row, None], true, valid).apply(e.xyz[row, None])
    pose = centred(aligned[0].numpy(), true[0].numpy(), valid[0].numpy())
    figure = new_figure(_SIDE, _SIDE)
    axes = figure.add_axes((0.04, 0.08, 0.92, 0.84))
    axes.axis("off")
    axes.set_aspect("auto")
    room = 0.8 * _SIDE
    # One scale for all directions, so that turning does not change the size.
    reach = np.full((1, 3), np.linalg.norm(np.concatenate(pose[:2]), axis=1).max())
    scale = millimetres_per_inch([Pose(reach, reach, np.array([True]))], width=room, height=room)
    sight = SIGHTS[0]._replace(name=f"turned {turn:.0f}°, tilted {tilt:.0f}°")
    draw_pose(axes, turned(pose, turn, tilt), sight, scale=scale)
    return to_png(figure)
