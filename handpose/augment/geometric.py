"""Rotation, scale, shift and crop as one map: drawn by `sample_affine`, applied by `Pyramid`.

S side of the view in px. OpenCV makes a view in 100 us, while NumPy takes 1 to 10 us for any
operation on two numbers, so plain floats are used here.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from handpose.augment.pixels import with_fourth, with_own_fourth
from handpose.augment.settings import Augmentation, Range


def within(bounds: Range, number: float) -> float:
    """Spreads a number over a range, as `rng.uniform` does.

    Args:
        bounds: Lowest and highest value.
        number: In [0, 1).
    """
    low, high = bounds
    return low + (high - low) * number


def sample_affine(
    rng: np.random.Generator, settings: Augmentation, box: np.ndarray, size: int
) -> np.ndarray:
    """Draws a view's map (2, 3) float64, source px -> view px.

    The crop is a square of side margin x box side, rotated and shifted about the box's centre. The
    same numbers are drawn whatever the switches are, so one switch changes nothing else.

    Args:
        box: (3,) centre u, centre v, side, in px of the source.
        size: S.
    """
    turn, margin, *shifts = rng.random(4).tolist()
    u, v, side = box.tolist()
    crop = within(settings.margin_range, margin) if settings.random_crop else settings.margin
    angle = math.radians(within(settings.angle, turn)) if settings.rotate else 0.0
    if settings.crop:
        du, dv = (within(settings.shift, number) * side for number in shifts)
        if settings.shift_along == "view":
            cos, sin = math.cos(angle), math.sin(angle)
            du, dv = cos * du + sin * dv, cos * dv - sin * du
        u, v = u + du, v + dv
    return _crop_map(u, v, side * crop, angle, size)


def plain_affine(settings: Augmentation, box: np.ndarray, size: int) -> np.ndarray:
    """Returns the map (2, 3) float64 of the plain crop of side `margin` x box side.

    Args:
        box: (3,) centre u, centre v, side, in px of the source.
        size: S.
    """
    u, v, side = box.tolist()
    return _crop_map(u, v, side * settings.margin, 0.0, size)


def _crop_map(u: float, v: float, side: float, angle: float, size: int) -> np.ndarray:
    """Takes the square of `side` px about (u, v), rotated by `angle` (rad), to a view."""
    scale, middle = size / side, (size - 1) / 2
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    rows = (cos, -sin, middle - cos * u + sin * v), (sin, cos, middle - sin * u - cos * v)
    return np.array(rows)


def halvings(scale: float) -> int:
    """Returns how often an image is halved until it is at most twice as fine as the view.

    OpenCV halves 15 times faster than it averages over areas that are no whole pixels.

    Args:
        scale: Of the view's map, px of the view / px of the image.
    """
    return max(0, -math.frexp(scale)[1])


def halved(image: np.ndarray) -> np.ndarray:
    """Returns the means of blocks of 2x2 px; an odd last row or column is repeated first.

    So u' = (u + 0.5) / 2 - 0.5 exactly.

    Args:
        image: (H, W, C) uint8.
    """
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return cv2.resize(image, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)


class Warp(NamedTuple):
    """How a view is made from an image."""

    level: int  # halvings of the image
    affine: np.ndarray  # (2, 3) float64, px of the halved image -> px of the view


def plan_warps(affines: np.ndarray) -> list[Warp]:
    """Returns how the views of maps (R, 2, 3), px of an image -> px of the view, are made."""
    a, b, c, d = (affines[:, i, j] for i in (0, 1) for j in (0, 1))
    levels = np.maximum(-np.frexp(np.sqrt(np.abs(a * d - b * c)))[1], 0)  # as `halvings`
    factors = np.ldexp(1.0, levels)[:, None]
    linear, shift = affines[..., :2], affines[..., 2]
    shift = shift + (linear[..., 0] + linear[..., 1]) * ((factors - 1) / 2)
    halved_affines = np.concatenate((linear * factors[..., None], shift[..., None]), axis=2)
    return list(map(Warp, levels.tolist(), halved_affines))


class Pyramid:
    """An image and its halvings, each made on first use and shared by the views of a sample.

    Args:
        image: (H, W, 3) uint8.
    """

    def __init__(self, image: np.ndarray) -> None:
        self._levels = [with_own_fourth(image)]

    def render(self, warp: Warp, size: int) -> np.ndarray:
        """Renders a view (S, S, 3) uint8. Reflects at the border: a constant shows the rotation.

        Args:
            warp: How it is made.
            size: S.
        """
        source = self._level(warp.level)
        view = cv2.warpAffine(source, warp.affine, (size, size), borderMode=cv2.BORDER_REFLECT_101)
        return cv2.cvtColor(view, cv2.COLOR_RGBA2RGB)

    def _level(self, level: int) -> np.ndarray:
        """The image halved `level` times, with four channels."""
        while len(self._levels) <= level:
            self._levels.append(halved(self._levels[-1]))
        self._levels[level] = with_fourth(self._levels[level])
        return self._levels[level]
