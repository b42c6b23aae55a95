"""Draws hands over their image, each with its box and a label. J = 21 joints."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from handpose.geometry import affine as maps
from handpose.records import Side
from handpose.report.skeletons import Colour, box_corners, draw_skeleton, joint_colours
from handpose.skeleton import NUM_JOINTS

_MIN_SIDE = 512  # px of the longer side of a drawing, so that the lines fit
_SIDE_TO_THICKNESS = 90
_FAINT = 0.25  # opacity of uncertain hands and joints
_RIM = (15, 18, 24)
_SIDES: dict[Side, Colour] = {"left": (86, 180, 233), "right": (255, 255, 255)}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


class DrawnHand(NamedTuple):
    """A hand in px of its image."""

    uv: np.ndarray  # (J, 2) px; NaN: not drawn
    box: np.ndarray  # (3,) centre u, centre v, side in px
    side: Side
    label: str
    is_faint: bool = False  # the whole hand but its box
    faint_joints: np.ndarray | None = None  # (J,) bool


def draw_hands(image: np.ndarray, hands: Sequence[DrawnHand]) -> np.ndarray:
    """Draws each hand's joints in their fingers' colours, and its box in its side's colour.

    Args:
        image: (H, W, 3) RGB; a small one is enlarged by a whole factor.
        hands: in px of the image.
    """
    height, width = image.shape[:2]
    factor = -(-_MIN_SIDE // max(height, width))
    size = factor * width, factor * height
    larger = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else image
    drawing = np.array(larger)
    to_drawing = maps.resize((width, height), size)
    for hand in hands:
        _draw(drawing, hand, to_drawing, factor)
    return drawing


def _draw(drawing: np.ndarray, hand: DrawnHand, to_drawing: np.ndarray, factor: int) -> None:
    """Draws a hand within the part of the drawing that it covers, which is faster."""
    uv = maps.apply(to_drawing, np.asarray(hand.uv, dtype=np.float64))
    corners = maps.apply(to_drawing, box_corners(hand.box))
    thickness = max(2, round(factor * float(hand.box[2]) / _SIDE_TO_THICKNESS))
    text_height = max(10, min(5 * thickness, 24))
    finite = np.concatenate((corners, uv[np.isfinite(uv).all(axis=1)]))
    margin = 3 * thickness + 2 * text_height
    low = np.clip(np.floor(finite.min(axis=0)) - margin, 0, drawing.shape[1::-1]).astype(int)
    high = np.clip(np.ceil(finite.max(axis=0)) + margin, 0, drawing.shape[1::-1]).astype(int)
    part = drawing[low[1] : high[1], low[0] : high[0]]
    if part.size == 0:
        return
    joints = np.zeros(NUM_JOINTS, bool) if hand.faint_joints is None else hand.faint_joints
    before = part.copy()
    _frame(part, corners - low, _SIDES[hand.side], thickness)
    _label(part, hand.label, corners[0] - low, _SIDES[hand.side], text_height)
    draw = partial(draw_skeleton, colours=joint_colours(), thickness=thickness)
    faint = draw(part, uv - low, np.ones(NUM_JOINTS, dtype=bool))
    if joints.any() or hand.is_faint:
        part[:] = cv2.addWeighted(before if hand.is_faint else part, 1 - _FAINT, faint, _FAINT, 0)
        if not hand.is_faint:
            part[:] = draw(part, uv - low, ~joints)
    else:
        part[:] = faint


def _frame(part: np.ndarray, corners: np.ndarray, colour: Colour, thickness: int) -> None:
    """Draws a box on a dark rim, visible on any background."""
    points = [np.rint(corners).astype(np.int32)]
    line = max(2, thickness // 2)
    cv2.polylines(part, points, True, _RIM, line + 2, cv2.LINE_AA)
    cv2.polylines(part, points, True, colour, line, cv2.LINE_AA)


def _label(part: np.ndarray, text: str, corner: np.ndarray, colour: Colour, height: int) -> None:
    """Writes on a dark strip above a box's upper left corner, or in the box at the border."""
    scale = cv2.getFontScaleFromHeight(_FONT, height, 1)
    (width, _), base = cv2.getTextSize(text, _FONT, scale, 1)
    tall = height + base
    u = round(float(np.clip(corner[0], 0, max(part.shape[1] - width, 0))))
    v = round(float(corner[1])) - 3 if corner[1] - 3 >= tall else round(float(corner[1])) + tall + 3
    cv2.rectangle(part, (u, v - tall), (u + width, v), _RIM, cv2.FILLED)
    cv2.putText(part, text, (u, v - base), _FONT, scale, colour, 1, cv2.LINE_AA)
