"""Blocks of natural hands: any pose, orientation, side and size, before a camera."""

from functools import cache
from typing import Any

import numpy as np

from handpose.data.label_checks.hands import Hands
from handpose.data.synthetic.anatomy import pose_skeleton, sample_pose, sample_proportions
from handpose.geometry.camera import project

SIDE = 256  # px


@cache
def _posed(count: int, seed: int) -> np.ndarray:
    """(N, 21, 3) metres, right hands about the wrist, turned anyhow."""
    rng, posed = np.random.default_rng(seed), []
    for _ in range(count):
        build = sample_proportions(rng)
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        turn *= np.sign(np.linalg.det(turn))
        posed.append(pose_skeleton(sample_pose(rng, build).angles, build).joints @ turn.T)
    return np.array(posed)


def natural_hands(
    count: int, *, seed: int = 0, sizes: tuple[float, float] = (0.6, 1.2), noise: float = 0.0
) -> Hands:
    """Left and right hands; `sizes` times an adult's, `noise` metres on each joint of the 3D."""
    rng = np.random.default_rng(seed + 1)
    is_left = rng.random(count) < 0.5
    xyz = _posed(count, seed) * rng.uniform(*sizes, (count, 1, 1))
    xyz[is_left, :, 0] *= -1
    xyz += rng.normal(0, noise, xyz.shape)
    shift = rng.uniform([-0.1, -0.1, 0.35], [0.1, 0.1, 1.0], (count, 3))
    xyz += shift[:, None] - xyz.mean(axis=1, keepdims=True)
    K = np.broadcast_to(np.diag([300.0, 300.0, 1.0]), (count, 3, 3)).copy()
    K[:, :2, 2] = (SIDE - 1) / 2 - 300 * shift[:, :2] / shift[:, 2:]
    uv = project(K, xyz)
    low, high = uv.min(axis=1), uv.max(axis=1)
    box = np.column_stack(((low + high) / 2, (high - low).max(axis=1) + 8))
    size = np.full((count, 2), float(SIDE))
    return Hands(np.arange(count), uv, xyz, K, is_left, box, size)


def flat(hands: Hands) -> Hands:
    """The same with 2D labels alone."""
    return hands._replace(xyz=np.full_like(hands.xyz, np.nan), K=np.full_like(hands.K, np.nan))


def reordered(hands: Hands, order: Any) -> Hands:
    """The same as another dataset writes them: ours[j] = theirs[order[j]]."""
    inverse = np.argsort(order)
    return hands._replace(uv=hands.uv[:, inverse], xyz=hands.xyz[:, inverse])
