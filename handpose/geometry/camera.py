"""Pinhole cameras: project, back-project, and the intrinsics under a map of the image.

Camera frame: metres (or bones), x right, y down, z forward. Image frame: px. K is (..., 3, 3).
NumPy arrays and torch tensors alike.
"""

from typing import Any

import numpy as np
import torch

from handpose.geometry.affine import Array, compose


def project(K: Array, xyz: Array) -> Array:
    """Projects points in front of the camera.

    Args:
        K: (..., 3, 3).
        xyz: (..., N, 3), any unit.

    Returns:
        (..., N, 2) px.
    """
    homogeneous = (K[..., None, :, :] @ xyz[..., None])[..., 0]
    return homogeneous[..., :2] / homogeneous[..., 2:]


def rays(K: Array, uv: Array) -> Array:
    """Returns x / z and y / z of px: the first two entries of K^-1 (u, v, 1).

    After a rotation of the image K's upper-left 2x2 part is full, so it is inverted whole.

    Args:
        K: (..., 3, 3).
        uv: (..., N, 2) px.

    Returns:
        (..., N, 2).
    """
    a, b, c, d = (K[..., i, j, None] for i in (0, 1) for j in (0, 1))
    du, dv = uv[..., 0] - K[..., 0, 2, None], uv[..., 1] - K[..., 1, 2, None]
    namespace: Any = torch if isinstance(uv, torch.Tensor) else np
    determinant = a * d - b * c
    return namespace.stack(
        ((d * du - b * dv) / determinant, (a * dv - c * du) / determinant), axis=-1
    )


def back_project(K: Array, uv: Array, depth: Array) -> Array:
    """Returns the points at px and depth, the inverse of `project`.

    Args:
        K: (..., 3, 3).
        uv: (..., N, 2) px.
        depth: (..., N), any unit.

    Returns:
        (..., N, 3) in the unit of `depth`.
    """
    namespace: Any = torch if isinstance(uv, torch.Tensor) else np
    return namespace.concatenate((rays(K, uv) * depth[..., None], depth[..., None]), axis=-1)


def map_intrinsics(affine: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Returns K' = A K (3, 3), the intrinsics after a map of the image.

    Args:
        affine: A (2, 3), px to px.
        K: (3, 3) before the map.
    """
    return np.concatenate((compose(affine, K[:2]), K[2:]), axis=0)


def mirror_intrinsics(K: np.ndarray, width: int) -> np.ndarray:
    """Returns K of the mirrored image for points with x' = -x: cx' = width - 1 - cx, fx kept.

    Args:
        K: (3, 3) of the image.
        width: Of the image in px.
    """
    mirrored = K.copy()
    mirrored[0, 1] = -K[0, 1]
    mirrored[0, 2] = width - 1 - K[0, 2]
    return mirrored
