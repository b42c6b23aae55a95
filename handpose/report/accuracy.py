"""Accuracy of the predictions: the PCK curve, and the error of each joint. J = 21 joints."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from handpose.evaluation import joint_errors, pose_errors
from handpose.evaluation.evaluation import Evaluation, with_constant_pose
from handpose.evaluation.joint_errors import JointErrors
from handpose.evaluation.metrics import PCK_2D_MAX
from handpose.report.style import (
    BASELINE,
    INK,
    MODEL,
    NORMAL,
    joint_colour,
    legend,
    new_figure,
    tidy,
    to_png,
)
from handpose.skeleton import FINGERS, JOINT_NAMES, NUM_JOINTS


class PckLine(NamedTuple):
    """A curve of `draw_pck_lines`."""

    label: str
    colour: str
    errors: JointErrors  # (N, J)


def draw_pck(evaluation: Evaluation) -> bytes | None:
    """Draws the share of joints within each threshold after alignment; None without 3D labels."""
    e = evaluation
    if not e.pa_valid.any():
        return None
    lines = [PckLine("this model", MODEL, joint_errors.aligned(e))]
    if constant := with_constant_pose(e, e.mean_pose):
        lines.insert(0, PckLine("mean pose", BASELINE, joint_errors.aligned(constant)))
    return draw_pck_lines(lines, in_3d=True)


def draw_pck_2d(evaluation: Evaluation) -> bytes | None:
    """Draws the share of joints within each threshold in 2D; None if `draw_pck` has a curve."""
    if evaluation.pa_valid.any() or not evaluation.box_valid.any():
        return None
    line = PckLine("this model", MODEL, joint_errors.in_boxes(evaluation))
    return draw_pck_lines([line], in_3d=False)


def draw_pck_lines(lines: Sequence[PckLine], *, in_3d: bool) -> bytes:
    """Draws a PCK curve for each line, with its AUC.

    Args:
        lines: the best last.
        in_3d: the errors are aligned ones in mm; else 2D ones, relative to the joints' box.

    Returns:
        A PNG.
    """
    figure = new_figure(5.0, 3.6)
    axes = figure.add_axes((0.1, 0.15, 0.62, 0.74))
    x = "aligned error (PA), mm" if in_3d else "2D error, % of the side of the joints’ box"
    tidy(axes, title="Joints within a distance of the truth", x=x)
    maximum, factor = (pose_errors.PCK_MAX_MM, 1) if in_3d else (PCK_2D_MAX, 100)
    thresholds = pose_errors.pck_thresholds(maximum)
    for label, colour, (errors, valid, _) in lines:
        axes.plot(
            factor * thresholds,
            pose_errors.pck_curve(errors, valid, thresholds),
            color=colour,
            linewidth=2,
            linestyle=(0, (4, 2)) if colour == BASELINE else "-",
            label=f"{label}\nAUC {float(pose_errors.auc(errors, valid, maximum=maximum)):.3f}",
        )
    axes.set(xlim=(0, factor * maximum), ylim=(0, 1.02))
    axes.set_yticks(np.linspace(0, 1, 6), [f"{share} %" for share in range(0, 101, 20)])
    legend(axes, loc="center left", bbox_to_anchor=(1.01, 0.5), reverse=True)
    return to_png(figure)


def draw_joint_errors(evaluation: Evaluation) -> bytes | None:
    """Draws each joint's mean error beside the mean pose's: aligned in mm, else 2D in px."""
    e, in_3d = evaluation, bool(evaluation.pa_valid.any())
    errors = joint_errors.aligned(e) if in_3d else joint_errors.in_2d(e)
    if not errors.valid.any():
        return None
    figure, axes = joint_axes(in_3d=in_3d)
    colours = [joint_colour(joint) for joint in range(NUM_JOINTS)]
    axes.bar(joint_places(), per_joint(errors), width=0.78, color=colours)
    if in_3d and (constant := with_constant_pose(e, e.mean_pose)):
        _mark_baseline(axes, per_joint(joint_errors.aligned(constant)))
    return to_png(figure)


def joint_axes(*, in_3d: bool) -> tuple[Figure, Axes]:
    """Returns a figure and its axes for `joint_places`: a bar per joint, grouped by finger."""
    figure = new_figure(5.0, 3.6)
    axes = figure.add_axes((0.09, 0.23, 0.89, 0.66))
    unit = "aligned (PA), mm" if in_3d else "px of the source image"
    tidy(axes, title=f"Error of each joint, {unit}", x="")
    _name_joints(axes, joint_places())
    return figure, axes


def _mark_baseline(axes: Axes, errors: np.ndarray) -> None:
    axes.plot(
        joint_places(),
        errors,
        linestyle="",
        marker="_",
        markersize=9,
        markeredgewidth=1.8,
        color=INK,
        label="mean pose",
        path_effects=[withStroke(linewidth=3.4, foreground="white")],
    )
    axes.set_ylim(0, 1.22 * max(np.nanmax(errors), axes.get_ylim()[1] / 1.05))
    legend(axes, loc="upper right", borderaxespad=0)


def per_joint(errors: JointErrors) -> np.ndarray:
    """Returns the mean of each joint (J,), NaN for a joint that is never labelled."""
    values, valid, _ = errors
    return (torch.where(valid, values, 0.0).sum(0) / valid.sum(0)).numpy()


def joint_places() -> np.ndarray:
    """Returns the x of each joint's bar (J,), with a gap before every finger."""
    joints = np.arange(NUM_JOINTS)
    return joints + 0.9 * np.ceil(joints / 4)


def _name_joints(axes: Axes, places: np.ndarray) -> None:
    """Writes the knuckle under each bar, and the finger under each group."""
    names = ["", *(name.split()[-1] for name in JOINT_NAMES[1:])]
    axes.set_xticks(places, names, rotation=90, fontsize=NORMAL)
    axes.set_xlim(places[0] - 0.8, places[-1] + 0.6)
    groups = [
        ("wrist", places[:1]),
        *((finger, places[1 + 4 * i : 5 + 4 * i]) for i, finger in enumerate(FINGERS)),
    ]
    for name, group in groups:
        axes.annotate(
            name,
            (group.mean(), -0.27),
            xycoords=("data", "axes fraction"),
            ha="center",
            fontsize=NORMAL,
            color=INK,
            annotation_clip=False,
        )
