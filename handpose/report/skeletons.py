"""Skeletons: over an image, and in 3D seen from the camera and from the side. J = 21 joints.

uv (J, 2) in px of the image; xyz (J, 3) in mm in the camera frame; S side of a square image in px.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from handpose.geometry import affine as maps
from handpose.report.style import MUTED, SMALL, TRUTH, inches, joint_colour
from handpose.skeleton import BONES, NUM_JOINTS

_SUBPIXEL_BITS = 4  # cv2 takes px in sixteenths
_PAD = 244  # grey level beyond the image's border
_SCALE_BAR = 50.0  # mm
_MARGIN = 1.1  # around the hands
_RIM, _BOX = (15, 18, 24), (255, 255, 255)

Colour = tuple[int, int, int]


def overlay(
    image: np.ndarray, uv: np.ndarray, true_uv: np.ndarray, valid: np.ndarray, *, size: int = 520
) -> np.ndarray:
    """Draws the prediction in its fingers' colours and the truth thin and white.

    Args:
        image: (H, W, 3) uint8.
        valid: (J,) bool, the joints to draw.
        size: S.

    Returns:
        The part of the image around the hand, (S, S, 3) uint8.
    """
    square, to_square = enlarge(image, true_uv[valid], size=size)
    white = [(255, 255, 255)] * NUM_JOINTS
    thick = max(2, round(size / 110))
    predicted, true = maps.apply(to_square, uv), maps.apply(to_square, true_uv)
    drawn = draw_skeleton(square, predicted, valid, colours=joint_colours(), thickness=thick)
    return draw_skeleton(drawn, true, valid, colours=white, thickness=max(1, thick // 3))


def enlarge(image: np.ndarray, points: np.ndarray, *, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts out a square around points, 1.6 times as large as their extent.

    The square is at most as large as the image, and lies within it if it fits.

    Args:
        image: (H, W, 3) uint8.
        points: (N, 2) px; without any, the whole image is taken.
        size: S.

    Returns:
        The square (S, S, 3) uint8, and the map (2, 3) from px of the image to px of the square.
    """
    height, width = image.shape[:2]
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) == 0:
        points = np.array([[0, 0], [width - 1, height - 1]])
    low, high = points.min(axis=0), points.max(axis=0)
    side = round(min(max(1.6 * float((high - low).max()), 32.0), max(width, height)))
    corner = np.rint((low + high) / 2 - (side - 1) / 2).astype(int)
    left, top = (
        int(np.clip(start, 0, extent - side)) if side <= extent else (extent - side) // 2
        for start, extent in zip(corner, (width, height), strict=True)
    )
    pad = side
    padded = cv2.copyMakeBorder(
        image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(_PAD, _PAD, _PAD)
    )
    square = padded[top + pad : top + pad + side, left + pad : left + pad + side]
    method = cv2.INTER_CUBIC if size > side else cv2.INTER_AREA
    shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    to_square = maps.compose(maps.resize((side, side), (size, size)), shift)
    return cv2.resize(square, (size, size), interpolation=method), to_square


def draw_skeleton(
    image: np.ndarray, uv: np.ndarray, valid: np.ndarray, *, colours: list[Colour], thickness: int
) -> np.ndarray:
    """Draws anti-aliased bones and joints on a soft dark rim over a copy of an image.

    Args:
        image: (H, W, 3) uint8.
        uv: px of the image.
        valid: (J,) bool, the joints to draw.
        colours: one per joint; a bone has that of its outer joint.
        thickness: of a bone, px.
    """
    valid = valid & np.isfinite(uv).all(axis=1)
    # cv2 overflows on the far-off points of a failed model.
    points = np.clip(np.where(valid[:, None], uv, 0), -4 * len(image), 5 * len(image))
    rim = _strokes(image, points, valid, [_RIM] * NUM_JOINTS, thickness + 2)
    softened = cv2.addWeighted(image, 0.45, rim, 0.55, 0)
    return _strokes(softened, points, valid, colours, thickness)


def _strokes(
    image: np.ndarray, uv: np.ndarray, valid: np.ndarray, colours: list[Colour], thickness: int
) -> np.ndarray:
    image = image.copy()
    fine = [(int(u), int(v)) for u, v in np.rint(uv * 2**_SUBPIXEL_BITS)]
    for parent, child in BONES:
        if valid[parent] and valid[child]:
            ends, colour = (fine[parent], fine[child]), colours[child]
            cv2.line(image, *ends, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
    radius = round(thickness * 1.1 * 2**_SUBPIXEL_BITS)
    for joint in np.flatnonzero(valid):
        centre, colour = fine[joint], colours[joint]
        cv2.circle(image, centre, radius, colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)
    return image


def box_corners(box: np.ndarray) -> np.ndarray:
    """Returns the corners (4, 2) of a box (centre and side, px), clockwise from the upper left."""
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return box[:2] + signs * box[2] / 2


def draw_box(image: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Draws a white frame on a dark rim, visible on any background, over a copy of an image.

    Args:
        image: (H, W, 3) uint8.
        corners: (4, 2) px.
    """
    drawn, points = image.copy(), [np.rint(corners).astype(np.int32)]
    cv2.polylines(drawn, points, True, _RIM, 4, cv2.LINE_AA)
    cv2.polylines(drawn, points, True, _BOX, 2, cv2.LINE_AA)
    return drawn


def joint_colours() -> list[Colour]:
    """Returns the colour of each joint's finger."""
    return [rgb(joint_colour(joint)) for joint in range(NUM_JOINTS)]


def rgb(colour: str) -> Colour:
    """Converts a colour of the palette to (red, green, blue) in 0..255."""
    red, green, blue = (round(255 * channel) for channel in to_rgb(colour))
    return red, green, blue


class Pose(NamedTuple):
    """Prediction and truth of a hand in one frame."""

    predicted: np.ndarray  # (J, 3)
    true: np.ndarray  # (J, 3)
    valid: np.ndarray  # (J,) bool: drawn


class Sight(NamedTuple):
    """A direction of view."""

    name: str
    across: int  # the axis drawn to the right
    away: int  # the axis that points away from the eye


# From the side, the depth points right: the camera is at the left.
SIGHTS = (Sight("from the camera", across=0, away=2), Sight("from the side", across=2, away=0))


def centred(predicted: np.ndarray, true: np.ndarray, valid: np.ndarray) -> Pose:
    """Moves the middle of both hands' extent to the origin.

    Args:
        predicted: (J, 3).
        true: (J, 3).
        valid: (J,) bool, the joints to draw.
    """
    both = np.concatenate((predicted[valid], true[valid]))
    middle = (both.max(axis=0) + both.min(axis=0)) / 2 if len(both) else np.zeros(3)
    return Pose(predicted - middle, true - middle, valid)


def millimetres_per_inch(poses: list[Pose], *, width: float, height: float) -> float:
    """Returns the scale at which every pose fits into the axes.

    Args:
        width: of the axes, inches.
        height: of the axes, inches.
    """
    reach = [
        np.abs(np.concatenate((pose.predicted[pose.valid], pose.true[pose.valid]))).max(axis=0)
        for pose in poses
        if pose.valid.any()
    ]
    x, y, z = np.max(reach, axis=0) if reach else (80.0, 80.0, 80.0)
    return _MARGIN * 2 * max(x / width, z / width, y / height, 1e-6)


def draw_pose(axes: Axes, pose: Pose, sight: Sight, *, scale: float) -> None:
    """Draws the prediction in its fingers' colours over the truth in grey, nearer bones on top.

    Args:
        pose: centred.
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
    style: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": SMALL, "color": MUTED}
    axes.text(0.5, y, text, transform=axes.transAxes, **style)


def _draw_bones(
    axes: Axes, xyz: np.ndarray, valid: np.ndarray, sight: Sight, *, colour: str | None
) -> None:
    """Draws bones in one colour, or in those of the fingers with a white rim at crossings."""
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
    """Draws 50 mm at the lower left."""
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
