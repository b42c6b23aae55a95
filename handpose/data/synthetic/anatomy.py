"""A hand's skeleton: its five chains, their proportions and the limits of their joints.

Hand frame (of a right hand): origin at the wrist, x radial (towards the thumb), y distal (along
the middle metacarpal), z palmar; metres. A chain is a base joint and three bones. The thumb's base
is its CMC joint, a finger's its MCP joint. Chains run from the thumb to the little finger.
"""

from typing import NamedTuple

import numpy as np

NUM_CHAINS = 5

MEAN_BASES = 1e-3 * np.array(  # (5, 3)
    [[23, 22, 7], [25, 88, 0], [4.5, 90, -2], [-14.5, 84, -1], [-31, 74, 3]]
)
MEAN_LENGTHS = 1e-3 * np.array(  # (5, 3) first, second and third bone of each chain
    [[44, 33, 27], [40, 24, 21], [44, 28, 22], [40, 26, 22], [31, 19, 19]]
)

# Angles of a chain: abduction (towards the thumb's side), then the flexion of its three joints.
LIMITS = np.radians(  # (5, 4, 2) lowest and highest
    [[[-32, 25], [-15, 50], [-10, 60], [-15, 80]]]
    + [[[-20, 20], [-20, 90], [0, 108], [-5, 75]]] * 4
)
WRIST_LIMITS = np.radians([[-45, 40], [-20, 20]])  # (2, 2) flexion, deviation

_SPLAY = np.radians([8.0, 1.0, -7.0, -16.0])  # fingers at rest, towards the thumb's side
_ROLL = np.radians([-4.0, 0.0, 4.0, 9.0])  # about their length: the tips converge in a fist
_THUMB_AXIS = np.array([0.70, 0.64, 0.32])
_THUMB_PAD = np.array([-0.66, 0.15, 0.74])  # where the thumb's pad looks at rest


class Proportions(NamedTuple):
    """The build of one hand."""

    bases: np.ndarray  # (5, 3) metres, hand frame
    lengths: np.ndarray  # (5, 3) metres
    thickness: np.ndarray  # (5,) of the chains, relative to the mean hand
    palm_thickness: float
    size: float  # overall, relative to the mean hand


MEAN_PROPORTIONS = Proportions(MEAN_BASES, MEAN_LENGTHS, np.ones(NUM_CHAINS), 1.0, 1.0)


def sample_proportions(rng: np.random.Generator) -> Proportions:
    """Draw a hand's build around the mean adult's."""
    size = float(np.clip(rng.normal(1.0, 0.06), 0.87, 1.13))
    breadth = rng.uniform(0.92, 1.08)
    bases = MEAN_BASES * size * np.array([breadth, 1.0, 1.0])
    bases[1:, 1] += rng.uniform(-0.002, 0.002, 4)
    fingers = size * rng.uniform(0.93, 1.07) * rng.uniform(0.95, 1.05, (NUM_CHAINS, 1))
    lengths = MEAN_LENGTHS * fingers * rng.uniform(0.96, 1.04, (NUM_CHAINS, 3))
    stoutness = size * rng.uniform(0.88, 1.12)
    thickness = stoutness * rng.uniform(0.96, 1.04, NUM_CHAINS)
    return Proportions(bases, lengths, thickness, stoutness * rng.uniform(0.95, 1.05), size)


def mean_reach(joint: int) -> float:
    """Metres from the wrist of the mean hand to a chain's base: joint 1, 5, 9, 13 or 17."""
    return float(np.linalg.norm(MEAN_BASES[(joint - 1) // 4]))


def rotation_x(angle: np.ndarray | float) -> np.ndarray:
    """(..., 3, 3) right-handed rotations about x by `angle` (...) radians: y turns to z."""
    return _rotation(angle, 0)


def rotation_y(angle: np.ndarray | float) -> np.ndarray:
    """(..., 3, 3) right-handed rotations about y by `angle` (...) radians: z turns to x."""
    return _rotation(angle, 1)


def rotation_z(angle: np.ndarray | float) -> np.ndarray:
    """(..., 3, 3) right-handed rotations about z by `angle` (...) radians: x turns to y."""
    return _rotation(angle, 2)


def _rotation(angle: np.ndarray | float, axis: int) -> np.ndarray:
    angle = np.asarray(angle, dtype=np.float64)
    rotation = np.zeros((*angle.shape, 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    rotation[..., axis, axis] = 1.0
    rotation[..., i, i] = rotation[..., j, j] = np.cos(angle)
    rotation[..., j, i] = np.sin(angle)
    rotation[..., i, j] = -np.sin(angle)
    return rotation


def _rest_frames() -> np.ndarray:
    """(5, 3, 3) columns x, y (along the chain), z (where its pad looks) at rest, hand frame."""
    axis = _THUMB_AXIS / np.linalg.norm(_THUMB_AXIS)
    pad = _THUMB_PAD - axis * (axis @ _THUMB_PAD)
    pad /= np.linalg.norm(pad)
    thumb = np.stack([np.cross(axis, pad), axis, pad], axis=1)
    return np.concatenate([thumb[None], rotation_z(-_SPLAY) @ rotation_y(_ROLL)])


REST_FRAMES = _rest_frames()
