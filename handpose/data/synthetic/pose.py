"""Poses of a hand: angles drawn within human limits, and forward kinematics to 21 joints.

Angles (5, 4) radians, chains from thumb to little finger: abduction, then three flexions (finger:
MCP, PIP, DIP; thumb: CMC, MCP, IP). All angles 0 is the flat hand at rest. Frames as in `anatomy`.
"""

from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.anatomy import (
    LIMITS,
    REST_FRAMES,
    WRIST_LIMITS,
    Proportions,
    rotation_x,
    rotation_z,
)

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
# fmt: on
_CHANCES = {  # the rest is drawn finger by finger
    "open": 0.20,
    "relaxed": 0.08,
    "fist": 0.18,
    "point": 0.16,
    "pinch": 0.10,
    "grip": 0.06,
    "victory": 0.14,
}


class Pose(NamedTuple):
    """The angles of one hand, radians."""

    angles: np.ndarray  # (5, 4)
    wrist: np.ndarray  # (2,) flexion and deviation of the hand against the forearm


class PosedSkeleton(NamedTuple):
    """Joints and bone frames, hand frame, metres."""

    joints: np.ndarray  # (21, 3)
    frames: np.ndarray  # (5, 3, 3, 3) each chain's three bones: columns x, y (along it), z


def sample_pose(rng: np.random.Generator, proportions: Proportions) -> Pose:
    """Draw a pose within the limits whose chains do not grossly run through each other."""
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
    """Forward kinematics of the angles (5, 4) for a hand's build."""
    frame = REST_FRAMES @ rotation_z(-angles[:, 0])
    point = proportions.bases
    points, frames = [point], []
    for bone in range(3):
        frame = frame @ rotation_x(angles[:, bone + 1])
        point = point + frame[:, :, 1] * proportions.lengths[:, bone, None]
        points.append(point)
        frames.append(frame)
    joints = np.concatenate([np.zeros((1, 3)), np.stack(points, axis=1).reshape(20, 3)])
    return PosedSkeleton(joints, np.stack(frames, axis=1))


def entanglement(joints: np.ndarray) -> float:
    """Metres by which bones of different chains are closer than flesh permits; joints (21, 3)."""
    chains = joints[1:].reshape(5, 4, 3)
    steps = np.array([0.35, 0.7, 1.0])[:, None]
    points = chains[:, :-1, None] * (1 - steps) + chains[:, 1:, None] * steps
    points[0, 0] = points[0, 0, -1]  # the thumb's metacarpal lies in the palm
    flat = points.reshape(5, 9, 3)
    first, second = np.triu_indices(5, 1)
    gaps = np.linalg.norm(flat[first, :, None] - flat[second, None], axis=-1)
    return float(np.maximum(_TOUCH - gaps.min(axis=(1, 2)), 0.0).sum())


def _draw_angles(rng: np.random.Generator) -> np.ndarray:
    names = list(_CHANCES)
    chance = np.array([*_CHANCES.values(), 1.0 - sum(_CHANCES.values())])
    kind = int(rng.choice(len(chance), p=chance))
    mean = np.radians(_FAMILIES[names[kind]]) if kind < len(names) else _draw_free(rng)
    noise = rng.normal(0.0, np.radians([2.5, 6.0, 7.0, 4.0]), (5, 4))
    noise[:, 1:] += rng.normal(0.0, np.radians([5.0, 6.0, 4.0]))  # shared: fingers move together
    angles = mean + noise
    angles[1:, 0] += _spread(rng, angles[1:, 1])
    return np.clip(angles, LIMITS[..., 0], LIMITS[..., 1])


def _draw_free(rng: np.random.Generator) -> np.ndarray:
    """(5, 4) radians: each finger curled on its own, PIP and DIP coupled as by their tendon."""
    curl = rng.uniform(0.0, 1.0, 4)
    curl[3] = 0.5 * (curl[2] + curl[3])  # ring and little finger share muscles
    pip = np.radians(100.0) * np.clip(curl + rng.normal(0.0, 0.12, 4), 0.0, 1.0)
    mcp = np.radians(80.0) * np.clip(curl + rng.normal(0.0, 0.2, 4), 0.0, 1.0)
    fingers = np.stack([np.zeros(4), mcp, pip, 0.62 * pip], axis=1)
    thumb = np.radians(rng.uniform([-20, -5, 0, 0], [15, 38, 40, 50]))
    return np.concatenate([thumb[None], fingers])


def _spread(rng: np.random.Generator, mcp: np.ndarray) -> np.ndarray:
    """(4,) radians that open or close the fan of fingers; bent ones (mcp (4,)) hardly spread."""
    amount = rng.uniform(-0.9, 0.8)
    return amount * np.radians([7.0, 1.0, -5.5, -11.0]) * np.clip(np.cos(mcp), 0.2, 1.0)
