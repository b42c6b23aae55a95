"""Images of a left and a right hand before one camera, for the layouts with both in an image."""

from functools import cache
from typing import NamedTuple

import cv2
import layouts
import numpy as np

from handpose.geometry.camera import project


class TwoHands(NamedTuple):
    """Both hands before a camera; {is_left: of that hand}."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    K: np.ndarray  # (3, 3), the same for each image of a size
    xyz: dict[bool, np.ndarray]  # (21, 3) metres
    uv: dict[bool, np.ndarray]  # (21, 2) px
    second: bool  # `is_left` of the second seed's hand: True, but for a mirrored world


def two_hands(seed: int, width: int, height: int) -> TwoHands:
    """The right hand of the seed in the left half, the left one of the next seed in the right half.

    A rendered hand is moved by turning its camera, which maps the image by a homography exactly.
    """
    K = camera(width, height)
    # Which of the two is the left one is told by the hands: `rendered` may be that of a mirror.
    hands = [layouts.rendered(seed, 256), layouts.rendered(seed + 1, 256, is_left=True)]
    image = np.zeros((height, width, 3), np.uint8)
    xyz, uv = {}, {}
    for hand in hands:
        start = width // 2 if hand.is_left else 0
        half = slice(start, start + width // 2)
        aim = np.array([width / 4 - 0.5, (height - 1) / 2])
        aim[0] = width - 1 - aim[0] if hand.is_left else aim[0]
        turn = _turn(hand.xyz.mean(axis=0), np.linalg.inv(K) @ [*aim, 1])
        homography = K @ turn @ np.linalg.inv(hand.K)
        image[:, half] = cv2.warpPerspective(
            hand.image, homography, (width, height), borderMode=cv2.BORDER_REPLICATE
        )[:, half]
        xyz[hand.is_left] = hand.xyz @ turn.T
        uv[hand.is_left] = project(K, xyz[hand.is_left])
    return TwoHands(image, K, xyz, uv, hands[1].is_left)


@cache
def camera(width: int, height: int) -> np.ndarray:
    """K before which a rendered hand fills about half of half the width."""
    focal = 0.8 * min(width / 2, height) / 0.32
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def _turn(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) that takes the direction of a point to that of another."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(start, end)
    length = np.linalg.norm(axis)
    return cv2.Rodrigues(axis / max(length, 1e-12) * np.arctan2(length, start @ end))[0]
