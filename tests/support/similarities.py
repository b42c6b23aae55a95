"""Similarities of the plane, as maps."""

import numpy as np


def similarity(angle: float, scale: float, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotates by `angle` (rad, u to v), scales, and takes `source` to `target` (px): (2, 3)."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    shift = np.asarray(target) - linear @ np.asarray(source)
    return np.concatenate((linear, shift[:, None]), axis=1)
