"""Cuts hands out of frames, and says where box and joints are in the cut. J = 21 joints."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from handpose.collect.options import Options
from handpose.detect.base import Detection
from handpose.geometry import affine as maps

_Region = tuple[int, int, int, int]  # px of the frame: left, top, right, bottom, exclusive


class CutHand(NamedTuple):
    """A hand in a stored image; boxes are centre u, centre v, side in px."""

    box: np.ndarray  # (3,) in the stored image
    uv: np.ndarray  # (J, 2) px of the stored image; NaN where not known
    found: Detection  # in the frame


class Cut(NamedTuple):
    """An image to be stored."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    hands: list[CutHand]


def cut_hands(image: np.ndarray, hands: Sequence[Detection], options: Options) -> list[Cut]:
    """Cut out each hand with a margin, or take the whole frame.

    What is larger than `options.size` is shrunk by area averaging; nothing is enlarged.

    Args:
        image: (H, W, 3) uint8 RGB.
        hands: in px of it.
        options: `size`, `margin`, `min_score` and `frames` count here.
    """
    height, width = image.shape[:2]
    if options.frames:
        regions: list[tuple[_Region, Sequence[Detection]]] = [((0, 0, width, height), hands)]
    else:
        regions = [(_region(hand.box, options.margin, (width, height)), [hand]) for hand in hands]
    return [_cut(image, region, own, options) for region, own in regions if own]


def is_seen(hand: Detection, image: np.ndarray, min_side: float) -> bool:
    """Return whether the part of a hand's box in the image is large enough.

    Args:
        hand: in px of the image.
        image: (H, W, 3).
        min_side: px, of the box and of the part of it in the image.
    """
    left, top, right, bottom = _region(hand.box, 0.0, (image.shape[1], image.shape[0]))
    return bool(hand.box[2] >= min_side and min(right - left, bottom - top) >= min_side / 2)


def _region(box: np.ndarray, margin: float, size: tuple[int, int]) -> _Region:
    """Return the part of the image within a box and a margin around it."""
    half = (0.5 + margin) * float(box[2])
    edges = [float(box[axis]) + sign * half for sign in (-1, 1) for axis in (0, 1)]
    left, top, right, bottom = (
        int(np.clip(round(edge + 0.5), 0, size[axis % 2])) for axis, edge in enumerate(edges)
    )
    return left, top, right, bottom


def _cut(image: np.ndarray, region: _Region, hands: Sequence[Detection], options: Options) -> Cut:
    left, top, right, bottom = region
    part = image[top:bottom, left:right]
    shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    width, height = right - left, bottom - top
    factor = options.size / max(width, height)
    if factor >= 1:
        return Cut(part, [_moved(hand, shift, part, options) for hand in hands])
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    stored = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    to_stored = maps.compose(maps.resize((width, height), size), shift)
    return Cut(stored, [_moved(hand, to_stored, stored, options) for hand in hands])


def _moved(hand: Detection, to_cut: np.ndarray, image: np.ndarray, options: Options) -> CutHand:
    """Return a hand in the cut; joints count if the hand's score does, and within the cut."""
    scale = float(np.sqrt(to_cut[0, 0] * to_cut[1, 1]))
    centre = maps.apply(to_cut, hand.box[None, :2].astype(np.float64))[0]
    box = np.array([*centre, scale * float(hand.box[2])])
    uv = maps.apply(to_cut, hand.uv.astype(np.float64))
    last = np.array([image.shape[1], image.shape[0]]) - 0.5
    is_inside = ((uv >= -0.5) & (uv <= last)).all(axis=1, keepdims=True)
    is_in_box = (np.abs(uv - box[:2]) <= box[2] / 2).all(axis=1, keepdims=True)
    counts = hand.score >= options.min_score and bool((is_inside & is_in_box).any())
    return CutHand(box, np.where(is_inside & counts, uv, np.nan), hand)
