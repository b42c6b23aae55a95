"""Affine maps of the image plane: compose, invert, apply, relative.

A map is (..., 2, 3) = [L | t] and takes a point p (px) to L p + t. Every function takes NumPy
arrays (data workers) or torch tensors (objectives) and returns the same kind.
"""

from typing import Any, TypeVar

import numpy as np
import torch

Array = TypeVar("Array", np.ndarray, torch.Tensor)


def _join(linear: Array, shift: Array) -> Array:
    """(..., 2, 2) and (..., 2, 1) -> (..., 2, 3)."""
    namespace: Any = torch if isinstance(linear, torch.Tensor) else np
    return namespace.concatenate((linear, shift), axis=-1)


def compose(outer: Array, inner: Array) -> Array:
    """Returns the map that applies `inner` first, then `outer`; both (..., 2, 3).

    Args:
        outer: The second map.
        inner: The first map.
    """
    linear = outer[..., :2] @ inner[..., :2]
    return _join(linear, outer[..., :2] @ inner[..., 2:] + outer[..., 2:])


def invert(affine: Array) -> Array:
    """Returns the inverse map. A singular map gives infinities."""
    a, b, c, d = (affine[..., i, j] for i in (0, 1) for j in (0, 1))
    namespace: Any = torch if isinstance(affine, torch.Tensor) else np
    adjugate = namespace.stack((d, -b, -c, a), axis=-1).reshape(*a.shape, 2, 2)
    linear = adjugate / (a * d - b * c)[..., None, None]
    return _join(linear, -linear @ affine[..., 2:])


def apply(affine: Array, points: Array) -> Array:
    """Maps points.

    Args:
        affine: (..., 2, 3).
        points: (..., N, 2) px.

    Returns:
        (..., N, 2) px.
    """
    return (affine[..., None, :, :2] @ points[..., None])[..., 0] + affine[..., None, :, 2]


def relative(first: Array, second: Array) -> Array:
    """Returns T2 . T1^-1, which takes px of view 1 to px of view 2.

    Args:
        first: T1 (..., 2, 3), source px to px of view 1.
        second: T2 (..., 2, 3), px of the same source to px of view 2.
    """
    return compose(second, invert(first))


def to_unit_frame(affine: Array, size: int) -> Array:
    """Rewrites a map between crops about their centres and in units of their side.

    The linear part stays; the shift becomes that of the centre: (L c + t - c) / S.

    Args:
        affine: (..., 2, 3), px to px.
        size: S, the side of both crops in px.
    """
    centre = (size - 1) / 2
    linear = affine[..., :2]
    shift = (centre * linear.sum(-1) + affine[..., 2] - centre) / size
    return _join(linear, shift[..., None])


def resize(source: tuple[int, int], target: tuple[int, int]) -> np.ndarray:
    """Returns the map (2, 3) float64 of an image resize: u' = (u + 0.5) w' / w - 0.5.

    Pixel centres are integers, hence the half-pixel shift. Each axis has its own rounded scale.

    Args:
        source: (width, height) in px.
        target: (width, height) in px.
    """
    scale = np.array(target, dtype=np.float64) / np.array(source, dtype=np.float64)
    return _join(np.diag(scale), (0.5 * scale - 0.5)[:, None])


def mirror(width: int) -> np.ndarray:
    """Returns the mirror of an image `width` px wide, u' = width - 1 - u: (2, 3) float64."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])
