"""Moves the rest mesh with the bones: each vertex follows a blend of their maps.

Bones (21): carpus, forearm, the four metacarpals from index to little finger, then three per chain.
Hand frame of `anatomy`, metres.
"""

from functools import cache

import numpy as np

from handpose.data.synthetic.anatomy import (
    MEAN_BASES,
    MEAN_LENGTHS,
    PosedSkeleton,
    Proportions,
    rotation,
)
from handpose.data.synthetic.mesh import REST, rest_mesh

NUM_BONES = 21
FOREARM = 1
_CHAIN = 6  # the first bone of the thumb
# Metres over which a bone's weight falls to 1/e of its neighbour's: long in the palm.
_REACH = 1e-3 * np.array([5.0, 6.0] + [5.0] * 4 + [4.5, 1.8, 1.6] + [1.8, 1.6, 1.5] * 4)
_SMOOTHINGS = 5


def bone_maps(skeleton: PosedSkeleton, proportions: Proportions, wrist: np.ndarray) -> np.ndarray:
    """Compute the affine maps that carry each bone's flesh from rest to a pose.

    Args:
        skeleton: the posed joints and frames.
        proportions: build of the hand.
        wrist: (2,) flexion and deviation, radians.

    Returns:
        (21, 3, 4).
    """
    breadth = proportions.bases[4, 0] / MEAN_BASES[4, 0]
    palm = np.array([breadth, proportions.size, proportions.palm_thickness])
    lengths = np.linalg.norm(proportions.bases[1:], axis=1)
    scales = np.tile(palm, (NUM_BONES, 1))
    scales[2:6, 1] = lengths / np.linalg.norm(MEAN_BASES[1:], axis=1)
    scales[_CHAIN:] = np.repeat(proportions.thickness, 3)[:, None]
    scales[_CHAIN:, 1] = (proportions.lengths / MEAN_LENGTHS).ravel()
    rest, rest_pivots = _frames(MEAN_BASES, REST), _pivots(REST.joints)
    posed = _frames(proportions.bases, skeleton)
    posed[FOREARM] = rotation("z", wrist[1]) @ rotation("x", wrist[0])
    linear = posed @ (scales[:, :, None] * rest.transpose(0, 2, 1))
    offset = _pivots(skeleton.joints) - np.einsum("bij,bj->bi", linear, rest_pivots)
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def skin(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and unit normals, (V, 3) float32, moved by maps (21, 3, 4)."""
    moves = maps.transpose(0, 2, 1).reshape(NUM_BONES * 4, 3).astype(np.float32)
    turns = maps[:, :, :3].transpose(0, 2, 1).reshape(NUM_BONES * 3, 3).astype(np.float32)
    vertices, normals = _weighted_mesh()
    normals = normals @ turns
    return vertices @ moves, normals / np.sqrt((normals * normals) @ np.ones((3, 1), np.float32))


@cache
def _weighted_mesh() -> tuple[np.ndarray, np.ndarray]:
    """Return positions (V, 84), with a 1, and normals (V, 63) at rest times the weights."""
    mesh = rest_mesh()
    places = np.concatenate([mesh.vertices, np.ones((len(mesh.vertices), 1))], axis=1)
    weights = skin_weights()[:, :, None]
    weighted_places = (weights * places[:, None]).reshape(-1, NUM_BONES * 4)
    weighted_normals = (weights * mesh.normals[:, None]).reshape(-1, NUM_BONES * 3)
    return weighted_places.astype(np.float32), weighted_normals.astype(np.float32)


@cache
def skin_weights() -> np.ndarray:
    """Return (V, 21) float32 weights of the bones on each vertex; rows sum to 1."""
    mesh = rest_mesh()
    distance = _bone_distances(mesh.vertices)
    nearest = distance.argmin(axis=1)
    excess = (distance - distance.min(axis=1, keepdims=True)) / _REACH[nearest][:, None]
    weights = np.exp(-excess) * _neighbours()[nearest]
    weights /= weights.sum(axis=1, keepdims=True)
    edges = np.concatenate([mesh.faces[:, ends] for ends in ([0, 1], [1, 2], [2, 0])])
    degree = np.bincount(edges[:, 0], minlength=len(weights))[:, None]
    for _ in range(_SMOOTHINGS):
        around = np.zeros_like(weights)
        np.add.at(around, edges[:, 0], weights[edges[:, 1]])
        weights = 0.5 * weights + 0.5 * around / degree
    return weights.astype(np.float32)


def _frames(bases: np.ndarray, skeleton: PosedSkeleton) -> np.ndarray:
    """Return (21, 3, 3) rotation of every bone; the forearm's is the identity."""
    frames = np.tile(np.eye(3), (NUM_BONES, 1, 1))
    along = bases[1:] / np.linalg.norm(bases[1:], axis=1, keepdims=True)
    across = np.cross(along, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    frames[2:6] = np.stack([across, along, np.cross(across, along)], axis=2)
    frames[_CHAIN:] = skeleton.frames.reshape(15, 3, 3)
    return frames


def _pivots(joints: np.ndarray) -> np.ndarray:
    """Return (21, 3) start of each bone; joints (21, 3)."""
    chains = joints[1:].reshape(5, 4, 3)[:, :3].reshape(15, 3)
    return np.concatenate([np.zeros((_CHAIN, 3)), chains])


def _bone_distances(points: np.ndarray) -> np.ndarray:
    """Return (N, 21) metres from points (N, 3) to the bones at rest."""
    chains = REST.joints[1:].reshape(5, 4, 3)
    wrist_starts, wrist_ends = (
        [[-0.010, 0.008, 0], [0, -0.010, 0]],
        [[0.010, 0.008, 0], [0, -0.4, 0]],
    )
    starts = np.concatenate([wrist_starts, 0.4 * MEAN_BASES[1:], chains[:, :3].reshape(15, 3)])
    ends = np.concatenate([wrist_ends, MEAN_BASES[1:], chains[:, 1:].reshape(15, 3)])
    along = ends - starts
    offset = points[:, None] - starts
    t = np.clip((offset * along).sum(-1) / (along * along).sum(-1), 0.0, 1.0)
    return np.linalg.norm(offset - t[..., None] * along, axis=-1)


def _neighbours() -> np.ndarray:
    """Return (21, 21) bool, the bones whose motion may mix; fingers never do."""
    pairs = [(0, b) for b in range(1, _CHAIN + 1)]
    pairs += [(a, b) for a in range(2, 6) for b in range(2, 6)] + [(2, _CHAIN)]
    for chain in range(5):
        first = _CHAIN + 3 * chain
        pairs += [(first, first + 1), (first + 1, first + 2)]
        pairs += [(1 + chain, first)] if chain else []
    mixed = np.eye(NUM_BONES, dtype=bool)
    mixed[tuple(np.array(pairs).T)] = True
    return mixed | mixed.T
