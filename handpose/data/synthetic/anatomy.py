"""A hand's skeleton: proportions, joint limits, random poses and forward kinematics to 21 joints.

Hand frame (of a right hand): origin at the wrist, x radial (towards the thumb), y distal (along
the middle metacarpal), z palmar; metres. A chain is a base joint and three bones. The thumb's base
is its CMC joint, a finger's its MCP joint. Chains run from the thumb to the little finger.

Angles (5, 4) radians, one row per chain: abduction (towards the thumb's side), then three flexions
(finger: MCP, PIP, DIP; thumb: CMC, MCP, IP). All angles 0 is the flat hand at rest.
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
LIMITS = np.radians(  # (5, 4, 2) lowest and highest angle
    [[[-32, 25], [-15, 50], [-10, 60], [-15, 80]]]
    + [[[-20, 20], [-20, 90], [0, 108], [-5, 75]]] * 4
)
WRIST_LIMITS = np.radians([[-45, 40], [-20, 20]])  # (2, 2) flexion, deviation

_SPLAY = np.radians([8.0, 1.0, -7.0, -16.0])  # fingers at rest, towards the thumb's side
_ROLL = np.radians([-4.0, 0.0, 4.0, 9.0])  # about their length: the tips converge in a fist
_THUMB_AXIS = np.array([0.70, 0.64, 0.32])
_THUMB_PAD = np.array([-0.66, 0.15, 0.74])  # direction of the thumb's pad at rest

_TRIES = 6  # draws before the least entangled pose is taken
_TOUCH = 0.014  # metres between two bones' axes where the flesh begins to overlap

# Mean angles in degrees of each natural pose: abduction, then the three flexions.
# fmt: off
_FAMILIES = {
    "open": [[0, 0, 5, 5], [0, 0, 5, 3],
             [0, 0, 5, 3], [0, 0, 5, 3], [0, 0, 6, 3]],
    "relaxed": [[0, 12, 15, 15], [-3, 22, 28, 16],
                [0, 28, 34, 20], [2, 32, 38, 22], [4, 36, 38, 22]],
    "fist": [[-20, 21, 25, 60], [-5, 78, 95, 60],
             [0, 80, 98, 62], [4, 80, 98, 62], [8, 80, 95, 60]],
    "point": [[-26, 23, 28, 46], [-4, 6, 6, 4],
              [0, 72, 92, 58], [4, 76, 96, 60], [8, 76, 94, 60]],
    "pinch": [[-20, 10, 42, 30], [-4, 46, 48, 26],
              [0, 26, 34, 20], [2, 20, 26, 16], [4, 16, 24, 14]],
    "grip": [[0, 24, 18, 20], [-4, 40, 50, 30],
             [0, 44, 54, 32], [3, 46, 56, 34], [6, 46, 54, 32]],
    "victory": [[-26, 26, 32, 49], [5, 2, 5, 3],
                [-5, 2, 5, 3], [4, 74, 94, 58], [8, 76, 94, 58]],
}
# Probability of each; the remaining poses are drawn finger by finger.
_CHANCES = {
    "open": 0.20, "relaxed": 0.08, "fist": 0.18, "point": 0.16,
    "pinch": 0.10, "grip": 0.06, "victory": 0.14,
}
# fmt: on


class Proportions(NamedTuple):
    """The build of one hand."""

    bases: np.ndarray  # (5, 3) metres, hand frame
    lengths: np.ndarray  # (5, 3) metres
    thickness: np.ndarray  # (5,) of the chains, relative to the mean hand
    palm_thickness: float
    size: float  # overall, relative to the mean hand


class Pose(NamedTuple):
    """The angles of one hand, radians."""

    angles: np.ndarray  # (5, 4)
    wrist: np.ndarray  # (2,) flexion and deviation of the hand against the forearm


class PosedSkeleton(NamedTuple):
    """Joints and bone frames, hand frame, metres."""

    joints: np.ndarray  # (21, 3)
    frames: np.ndarray  # (5, 3, 3, 3) each chain's three bones: columns x, y (along it), z


MEAN_PROPORTIONS = Proportions(MEAN_BASES, MEAN_LENGTHS, np.ones(NUM_CHAINS), 1.0, 1.0)


def mean_reach(joint: int) -> float:
    """Return metres from the wrist of the mean hand to joint 1, 5, 9, 13 or 17."""
    return float(np.linalg.norm(MEAN_BASES[(joint - 1) // 4]))


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


def sample_pose(rng: np.random.Generator, proportions: Proportions) -> Pose:
    """Draw a pose within the limits whose chains do not grossly intersect.

    Args:
        rng: source of all randomness.
        proportions: build of the hand.
    """
    best, least = np.zeros((5, 4)), np.inf
    for _ in range(_TRIES):
        angles = _draw_angles(rng)
        overlap = entanglement(pose_skeleton(angles, proportions).joints)
        if overlap < least:
            best, least = angles, overlap
        if least == 0.0:
            break
    wrist = np.clip(rng.normal(0.0, np.radians([14.0, 7.0])), *WRIST_LIMITS.T)
    return Pose(best, wrist)


def pose_skeleton(angles: np.ndarray, proportions: Proportions) -> PosedSkeleton:
    """Compute the joints of a posed hand by forward kinematics.

    Args:
        angles: (5, 4) radians.
        proportions: build of the hand.
    """
    points, frames = pose_chains(angles, proportions, slice(None))
    joints = np.concatenate([np.zeros((1, 3)), points.reshape(20, 3)])
    return PosedSkeleton(joints, frames)


def pose_chains(
    angles: np.ndarray, proportions: Proportions, chains: slice
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the joints and bone frames of some chains, for any number of poses at once.

    Args:
        angles: (..., C, 4) radians.
        proportions: build of the hand.
        chains: which of the five chains, C of them.

    Returns:
        Joints (..., C, 4, 3) in metres and bone frames (..., C, 3, 3, 3), hand frame.
    """
    frame = REST_FRAMES[chains] @ rotation("z", -angles[..., 0])
    point = np.broadcast_to(proportions.bases[chains], (*angles.shape[:-1], 3))
    points, frames = [point], []
    for bone in range(3):
        frame = frame @ rotation("x", angles[..., bone + 1])
        point = point + frame[..., 1] * proportions.lengths[chains, bone, None]
        points.append(point)
        frames.append(frame)
    return np.stack(points, axis=-2), np.stack(frames, axis=-3)


def entanglement(joints: np.ndarray) -> float:
    """Return metres by which bones of different chains overlap; joints (21, 3)."""
    chains = joints[1:].reshape(5, 4, 3)
    steps = np.array([0.35, 0.7, 1.0])[:, None]
    points = chains[:, :-1, None] * (1 - steps) + chains[:, 1:, None] * steps
    points[0, 0] = points[0, 0, -1]  # the thumb's metacarpal is in the palm
    flat = points.reshape(5, 9, 3)
    first, second = np.triu_indices(5, 1)
    gaps = np.linalg.norm(flat[first, :, None] - flat[second, None], axis=-1)
    return float(np.maximum(_TOUCH - gaps.min(axis=(1, 2)), 0.0).sum())


def rotation(axis: str, angle: np.ndarray | float) -> np.ndarray:
    """Build right-handed rotation matrices (..., 3, 3).

    Args:
        axis: "x" (turns y to z), "y" (z to x) or "z" (x to y).
        angle: (...) radians.
    """
    angle = np.asarray(angle, dtype=np.float64)
    matrix = np.zeros((*angle.shape, 3, 3))
    k = "xyz".index(axis)
    i, j = (k + 1) % 3, (k + 2) % 3
    matrix[..., k, k] = 1.0
    matrix[..., i, i] = matrix[..., j, j] = np.cos(angle)
    matrix[..., j, i] = np.sin(angle)
    matrix[..., i, j] = -np.sin(angle)
    return matrix


def _rest_frames() -> np.ndarray:
    """Return (5, 3, 3) columns x, y (along the chain), z (out of its pad) at rest."""
    axis = _THUMB_AXIS / np.linalg.norm(_THUMB_AXIS)
    pad = _THUMB_PAD - axis * (axis @ _THUMB_PAD)
    pad /= np.linalg.norm(pad)
    thumb = np.stack([np.cross(axis, pad), axis, pad], axis=1)
    return np.concatenate([thumb[None], rotation("z", -_SPLAY) @ rotation("y", _ROLL)])


def _draw_angles(rng: np.random.Generator) -> np.ndarray:
    names = list(_CHANCES)
    chance = np.array([*_CHANCES.values(), 1.0 - sum(_CHANCES.values())])
    kind = int(rng.choice(len(chance), p=chance))
    mean = np.radians(_FAMILIES[names[kind]]) if kind < len(names) else _draw_free(rng)
    noise = rng.normal(0.0, np.radians([2.5, 6.0, 7.0, 4.0]), (5, 4))
    noise[:, 1:] += rng.normal(0.0, np.radians([5.0, 6.0, 4.0]))  # shared: fingers move together
    angles = mean + noise
    # Opens or closes the fan of fingers; bent fingers spread little.
    spread = rng.uniform(-0.9, 0.8) * np.radians([7.0, 1.0, -5.5, -11.0])
    angles[1:, 0] += spread * np.clip(np.cos(angles[1:, 1]), 0.2, 1.0)
    return np.clip(angles, LIMITS[..., 0], LIMITS[..., 1])


def _draw_free(rng: np.random.Generator) -> np.ndarray:
    """Draw (5, 4) radians: each finger curled alone, PIP and DIP coupled as by their tendon."""
    curl = rng.uniform(0.0, 1.0, 4)
    curl[3] = 0.5 * (curl[2] + curl[3])  # ring and little finger share muscles
    pip = np.radians(100.0) * np.clip(curl + rng.normal(0.0, 0.12, 4), 0.0, 1.0)
    mcp = np.radians(80.0) * np.clip(curl + rng.normal(0.0, 0.2, 4), 0.0, 1.0)
    fingers = np.stack([np.zeros(4), mcp, pip, 0.62 * pip], axis=1)
    thumb = np.radians(rng.uniform([-20, -5, 0, 0], [15, 38, 40, 50]))
    return np.concatenate([thumb[None], fingers])


REST_FRAMES = _rest_frames()
