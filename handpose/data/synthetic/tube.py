"""Tubes around the forearm: the bare arm and the sleeve over it. Hand frame at rest, metres."""

from functools import cache

import numpy as np

ARM_AXES = (0.0275, 0.0190)  # half width and half thickness at the wrist
_ARM_STARTS, _ARM_ENDS = -0.040, -0.34
_AROUND = 28


def arm_tube() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bare forearm: vertices (V, 3), outward normals (V, 3), faces (F, 3)."""
    along = np.linspace(_ARM_STARTS, _ARM_ENDS, 9)
    return _tube(along, arm_swell(along), np.ones((9, _AROUND)))


def arm_swell(along: np.ndarray) -> np.ndarray:
    """(N, 2) half axes of the forearm at y = along (N,)."""
    swell = np.clip((_ARM_STARTS - along) / 0.2, 0.0, 1.0)[:, None]
    return np.array(ARM_AXES) * (1 + swell * [0.35, 0.75])


def sleeve_tube(
    start: float, looseness: float, folds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A sleeve that begins at y = start and stands off the arm by `looseness` (metres).

    folds (R, A) in 0..1 wrinkle it, resampled to its rings. Returns what `arm_tube` returns.
    """
    rings = 12
    along = start + (_ARM_ENDS - start) * np.linspace(0.0, 1.0, rings) ** 1.5
    along[0] = start + 0.001
    axes = arm_swell(along) + looseness
    axes[0] -= 0.7 * looseness  # the cuff turns in
    rows = np.arange(rings) % folds.shape[0]
    columns = np.arange(_AROUND) * folds.shape[1] // _AROUND
    return _tube(along, axes, 1 + 0.10 * (folds[rows][:, columns] - 0.5))


def _tube(
    along: np.ndarray, axes: np.ndarray, swell: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    angle = np.linspace(0.0, 2 * np.pi, _AROUND, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    cross = axes[:, None] * circle * swell[..., None]
    y = np.broadcast_to(along[:, None], swell.shape)
    grid = np.stack([cross[..., 0], y, cross[..., 1]], axis=-1)
    around = np.roll(grid, -1, axis=1) - np.roll(grid, 1, axis=1)
    normals = np.cross(around, np.gradient(grid, axis=0))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return grid.reshape(-1, 3), normals.reshape(-1, 3), _tube_faces(len(along))


@cache
def _tube_faces(rings: int) -> np.ndarray:
    """(F, 3) int32 between neighbouring rings."""
    number = np.arange(rings * _AROUND, dtype=np.int32).reshape(rings, _AROUND)
    a, b = number[:-1], number[1:]
    c, d = np.roll(a, -1, axis=1), np.roll(b, -1, axis=1)
    faces = np.stack([a, c, b, b, c, d], axis=-1)
    return faces.reshape(-1, 3)
