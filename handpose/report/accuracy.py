"""How accurate the predictions are: the PCK curve, and the error of each joint. J = 21 joints."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from torch import Tensor

from handpose.evaluation import pose_errors
from handpose.evaluation.evaluation import Evaluation, errors_in_2d, mean_pose_errors, pa_errors
from handpose.evaluation.metrics import PCK_2D_MAX, box_errors
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
    errors: Tensor  # (N, J)
    valid: Tensor  # (N, J) bool


def draw_pck(evaluation: Evaluation) -> bytes | None:
    """The share of joints within each threshold after alignment; None without 3D labels."""
    e = evaluation
    if not e.pa_valid.any():
        return None
    lines = [PckLine("this model", MODEL, pa_errors(e), e.pa_valid)]
    if len(e.mean_pose):
        baseline = mean_pose_errors(e, e.mean_pose)
        lines.insert(0, PckLine("mean pose", BASELINE, baseline, e.pa_valid))
    return draw_pck_lines(lines, x="aligned error (PA), mm", maximum=pose_errors.PCK_MAX_MM)


def draw_pck_2d(evaluation: Evaluation) -> bytes | None:
    """The share of joints within each threshold in 2D, where no sample is labelled in 3D."""
    e = evaluation
    if e.pa_valid.any() or not e.box_valid.any():
        return None
    return draw_pck_lines(
        [PckLine("this model", MODEL, 100 * box_errors(e), e.box_valid)],
        x="2D error, % of the side of the box about the joints",
        maximum=100 * PCK_2D_MAX,
    )


def draw_pck_lines(lines: Sequence[PckLine], *, x: str, maximum: float) -> bytes:
    """Draw a curve for each line, and what they are beside the plot. Return a PNG.

    Args:
        lines: the best last.
        x: what the errors are, and their unit.
        maximum: the largest threshold.
    """
    figure = new_figure(5.0, 3.6)
    axes = figure.add_axes((0.1, 0.15, 0.62, 0.74))
    tidy(axes, title="Joints within a distance of the truth", x=x)
    thresholds = pose_errors.pck_thresholds(maximum)
    for label, colour, errors, valid in lines:
        axes.plot(
            thresholds,
            pose_errors.pck_curve(errors, valid, thresholds),
            color=colour,
            linewidth=2,
            linestyle=(0, (4, 2)) if colour == BASELINE else "-",
            label=f"{label}\nAUC {float(pose_errors.auc(errors, valid, maximum=maximum)):.3f}",
        )
    axes.set(xlim=(0, maximum), ylim=(0, 1.02))
    axes.set_yticks(np.linspace(0, 1, 6), [f"{share} %" for share in range(0, 101, 20)])
    legend(axes, loc="center left", bbox_to_anchor=(1.01, 0.5), reverse=True)
    return to_png(figure)


def draw_joint_errors(evaluation: Evaluation) -> bytes | None:
    """Bars of each joint's mean error by finger, with the mean pose's: aligned mm, else 2D px."""
    in_3d = bool(evaluation.pa_valid.any())
    valid = evaluation.pa_valid if in_3d else evaluation.uv_valid
    if not valid.any():
        return None
    errors = pa_errors(evaluation) if in_3d else errors_in_2d(evaluation)
    figure = new_figure(5.0, 3.6)
    axes = figure.add_axes((0.09, 0.23, 0.89, 0.66))
    unit = "aligned (PA), mm" if in_3d else "px of the source image"
    tidy(axes, title=f"Error of each joint, {unit}", x="")
    places = joint_places()
    axes.bar(
        places,
        per_joint(errors, valid),
        width=0.78,
        color=[joint_colour(joint) for joint in range(NUM_JOINTS)],
    )
    if in_3d and len(evaluation.mean_pose):
        baseline = per_joint(mean_pose_errors(evaluation, evaluation.mean_pose), valid)
        axes.plot(
            places,
            baseline,
            linestyle="",
            marker="_",
            markersize=9,
            markeredgewidth=1.8,
            color=INK,
            label="mean pose",
            path_effects=[withStroke(linewidth=3.4, foreground="white")],
        )
        axes.set_ylim(0, 1.22 * max(np.nanmax(baseline), axes.get_ylim()[1] / 1.05))
        legend(axes, loc="upper right", borderaxespad=0)
    name_joints(axes, places)
    return to_png(figure)


def per_joint(errors: Tensor, valid: Tensor) -> np.ndarray:
    """(N, J) -> (J,), NaN where a joint is never labelled."""
    return (torch.where(valid, errors, 0.0).sum(0) / valid.sum(0)).numpy()


def joint_places() -> np.ndarray:
    """Where each joint's bar stands: a gap before every finger."""
    joints = np.arange(NUM_JOINTS)
    return joints + 0.9 * np.ceil(joints / 4)


def name_joints(axes: Axes, places: np.ndarray) -> None:
    """The knuckle under each bar, the finger under each group."""
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
