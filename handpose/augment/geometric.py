"""Rotation, scale, shift and crop as one affine map: drawn by `sample_affine`, applied by `warp`.

S side of the view in px. OpenCV makes a view in 100 us, while NumPy takes 1 to 10 us for any
operation on two numbers, so plain floats are used here.
"""

import math

import cv2
import numpy as np

from handpose.augment.settings import Augmentation, Range
from handpose.geometry.affine import compose, invert, resize

# A source more than this much finer than the view is halved first, repeatedly. OpenCV halves 15
# times faster than it averages over areas that are no whole pixels.
_HALVE_ABOVE = 2.0
# The shown part is cut out in whole blocks of this many px, so that it can be halved four times.
_BLOCK = 16
# Above this many px, finding the shown part of the image is worth its cost.
_SMALL = 300 * 300


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


def widen(image: np.ndarray) -> np.ndarray:
    """Converts a small image (H, W, 3) to (H, W, 4) once, which `warp` would do for each view.

    OpenCV 5 warps four channels twice as fast as three, to the same pixels.
    """
    small = image.shape[0] * image.shape[1] <= _SMALL
    return cv2.cvtColor(image, cv2.COLOR_RGB2RGBA) if small else image


def warp(image: np.ndarray, affine: np.ndarray, size: int) -> np.ndarray:
    """Renders a view (S, S, 3) uint8. Reflects at the border: a constant would show the rotation.

    Args:
        image: (H, W, 3) uint8, or what `widen` returned for it.
        affine: (2, 3), px of `image` -> px of the view.
        size: S.
    """
    if image.shape[2] == 3:
        image, affine = _cut_out(image, affine, size)
    image, affine = _shrink(image, affine)
    if image.shape[2] == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    view = cv2.warpAffine(image, affine, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    return cv2.cvtColor(view, cv2.COLOR_RGBA2RGB)


def _cut_out(image: np.ndarray, affine: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of `image` that the view shows, not copied, and its map.

    The part includes the border and whatever is reflected into the view.
    """
    corners = np.array([[0, size - 1, 0, size - 1], [0, 0, size - 1, size - 1]])
    inverse = invert(affine)
    seen = inverse[:, :2] @ corners + inverse[:, 2:]
    # Two px more for the interpolation, of what may become a smaller image.
    margin = 2 * max(1.0, np.abs(inverse[:, :2]).sum())
    (u0, v0), (u1, v1) = seen.min(axis=1) - margin, seen.max(axis=1) + margin
    columns, rows = _span(u0, u1, image.shape[1]), _span(v0, v1, image.shape[0])
    moved = affine[:, 2] + affine[:, :2] @ (columns.start, rows.start)
    return image[rows, columns], np.column_stack((affine[:, :2], moved))


def _span(low: float, high: float, length: int) -> slice:
    """The blocks of an axis of `length` px that [low, high] shows, directly or reflected."""
    last = length - 1
    start, stop = min(low, 2 * last - high), max(high, -low)
    first, end = math.floor(start / _BLOCK) * _BLOCK, math.floor(stop / _BLOCK + 1) * _BLOCK
    return slice(max(0, first), min(length, end))


def _shrink(image: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`image` halved until it is less than twice as fine as the view, and its map."""
    (a, b, _), (c, d, _) = affine.tolist()
    scale = math.sqrt(abs(a * d - b * c))
    while scale < 1 / _HALVE_ABOVE:
        height, width = image.shape[:2]
        half = (width + 1) // 2, (height + 1) // 2
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
        affine = compose(affine, invert(resize((width, height), half)))
        scale *= 2
    return image, affine
