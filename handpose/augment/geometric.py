"""Rotation, scale, shift and crop as one affine map: drawn by `sample_affine`, applied by `warp`.

S side of the view in px.
"""

import cv2
import numpy as np

from handpose.augment.settings import Augmentation
from handpose.geometry.affine import compose, invert, resize, similarity

# A source this many times finer than the view is shrunk by area averaging first.
_SHRINK_ABOVE = 2.0


def sample_affine(
    rng: np.random.Generator, settings: Augmentation, box: np.ndarray, size: int
) -> np.ndarray:
    """Draws one view's map, px of the source -> px of the view of side `size`. (2, 3) float64.

    The crop is a square of side margin x box side, turned and shifted about the box's centre. The
    same numbers are drawn whatever the switches say, so that one switch moves nothing else.
    """
    angle = np.deg2rad(rng.uniform(*settings.angle))
    margin = rng.uniform(*settings.margin_range)
    shift = rng.uniform(*settings.shift, size=2)
    side = box[2] * (margin if settings.random_crop else settings.margin)
    centre = box[:2] + (shift * box[2] if settings.crop else 0.0)
    target = np.full(2, (size - 1) / 2)
    return similarity(angle if settings.rotate else 0.0, size / side, centre, target)


def warp(image: np.ndarray, affine: np.ndarray, size: int) -> np.ndarray:
    """The view of side `size` of `image` (H, W, 3) under `affine` (2, 3). uint8, reflected beyond
    the border, for a border filled with a constant would give the rotation away.
    """
    scale = np.sqrt(abs(np.linalg.det(affine[:, :2])))
    if scale < 1 / _SHRINK_ABOVE:
        image, shrink = _shrink(image, scale)
        affine = compose(affine, invert(shrink))
    return cv2.warpAffine(
        image, affine, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def _shrink(image: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Area-averages `image` by about `scale`; and the map of that resize, each axis rounded."""
    height, width = image.shape[:2]
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, small, interpolation=cv2.INTER_AREA), resize((width, height), small)
