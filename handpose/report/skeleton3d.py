"""Skeletons in 3D, seen from the camera and from the side. J = 21 joints; mm, camera frame."""

from typing import NamedTuple

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes

from handpose.report.style import MUTED, SMALL, TRUTH, inches, joint_colour
from handpose.skeleton import BONES

_SCALE_BAR = 50.0  # mm
_ROOM = 1.1  # about the hands


class Pose(NamedTuple):
    """A hand's prediction and truth in one frame."""

    predicted: np.ndarray  # (J, 3)
    true: np.ndarray  # (J, 3)
    valid: np.ndarray  # (J,) bool: drawn


class Sight(NamedTuple):
    """A direction to look from."""

    name: str
    across: int  # the axis drawn to the right
    away: int  # the axis that points away from the eye


# From the side the depth runs to the right: the camera stands at the left.
SIGHTS = (Sight("from the camera", across=0, away=2), Sight("from the side", across=2, away=0))


def centred(predicted: np.ndarray, true: np.ndarray, valid: np.ndarray) -> Pose:
    """The pose with the middle of both hands' extent at the origin."""
    both = np.concatenate((predicted[valid], true[valid]))
    middle = (both.max(axis=0) + both.min(axis=0)) / 2 if len(both) else np.zeros(3)
    return Pose(predicted - middle, true - middle, valid)


def millimetres_per_inch(poses: list[Pose], *, width: float, height: float) -> float:
    """The one scale at which every pose fits into axes of this size in inches."""
    reach = [
        np.abs(np.concatenate((pose.predicted[pose.valid], pose.true[pose.valid]))).max(axis=0)
        for pose in poses
        if pose.valid.any()
    ]
    x, y, z = np.max(reach, axis=0) if reach else (80.0, 80.0, 80.0)
    return _ROOM * 2 * max(x / width, z / width, y / height, 1e-6)


def draw_pose(axes: Axes, pose: Pose, sight: Sight, *, scale: float) -> None:
    """The truth in grey under the prediction in its fingers' colours; nearer bones on top.

    Args:
        scale: mm per inch.
    """
    if not pose.valid.any():
        _write(axes, 0.5, "no 3D labels")
        return
    _write(axes, 1.0, sight.name)
    _draw_bones(axes, pose.true, pose.valid, sight, colour=TRUTH)
    _draw_bones(axes, pose.predicted, pose.valid, sight, colour=None)
    x, y = inches(axes) * scale / 2
    axes.set(xlim=(-x, x), ylim=(y, -y))
    if sight.across == 0:
        _draw_scale_bar(axes, -x, y)


def _write(axes: Axes, y: float, text: str) -> None:
    axes.text(
        0.5,
        y,
        text,
        transform=axes.transAxes,
        ha="center",
        va="bottom",
        fontsize=SMALL,
        color=MUTED,
    )


def _draw_bones(
    axes: Axes, xyz: np.ndarray, valid: np.ndarray, sight: Sight, *, colour: str | None
) -> None:
    """Bones in one colour, or in their fingers' with a white rim where they cross."""
    width, layer = (1.6, 2) if colour else (2.2, 3)
    rim = [] if colour else [patheffects.withStroke(linewidth=width + 1.2, foreground="white")]
    for bone in BONES:
        if valid[list(bone)].all():
            ends = xyz[list(bone)]
            axes.plot(
                ends[:, sight.across],
                ends[:, 1],
                color=colour or joint_colour(bone[1]),
                linewidth=width,
                solid_capstyle="round",
                path_effects=rim,
                zorder=layer - np.clip(ends[:, sight.away].mean() / 1e3, -0.4, 0.4),
            )


def _draw_scale_bar(axes: Axes, left: float, bottom: float) -> None:
    """50 mm at the lower left."""
    ends = (left, left + _SCALE_BAR)
    axes.plot(ends, (bottom, bottom), color=MUTED, linewidth=1.4, clip_on=False)
    axes.annotate(
        f"{_SCALE_BAR:.0f} mm",
        (left, bottom),
        xytext=(0, -4),
        textcoords="offset points",
        va="top",
        fontsize=SMALL,
        color=MUTED,
    )
