"""The mean hand's skin at rest: a smooth union of tapered capsules, meshed once per process.

Right hand, hand frame of `anatomy`, metres.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.anatomy import MEAN_PROPORTIONS
from handpose.data.synthetic.isosurface import surface_net
from handpose.data.synthetic.pose import pose_skeleton
from handpose.data.synthetic.tube import ARM_AXES, arm_tube

_STEP = 0.0033
_LOW, _HIGH = np.array([-0.074, -0.062, -0.034]), np.array([0.112, 0.202, 0.072])
_GIRTH = np.array([1.18, 1.0, 1.02, 0.97, 0.86])  # of the chains, relative to the index finger
_RADII = 1e-3 * np.array([[11.0, 9.6, 8.2, 6.5], [9.6, 8.5, 7.5, 6.0]])  # of a thumb, of a finger


class Mesh(NamedTuple):
    """A triangle mesh with outward unit normals; faces counter-clockwise seen from outside."""

    vertices: np.ndarray  # (V, 3) metres
    normals: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3) int


REST = pose_skeleton(np.zeros((5, 4)), MEAN_PROPORTIONS)


@cache
def rest_mesh() -> Mesh:
    """The bare hand and forearm at rest."""
    shape = np.ceil((_HIGH - _LOW) / _STEP).astype(int)
    axes = [low + _STEP * np.arange(n) for low, n in zip(_LOW, shape, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    vertices, faces = surface_net(hand_distance(grid).reshape(shape), _LOW, _STEP)
    for _ in range(2):
        vertices = vertices - hand_distance(vertices)[:, None] * _gradient(vertices)
    arm, arm_normals, arm_faces = arm_tube()
    return Mesh(
        np.concatenate([vertices, arm]),
        np.concatenate([_gradient(vertices), arm_normals]),
        np.concatenate([faces, arm_faces + len(vertices)]).astype(np.int32),
    )


def hand_distance(points: np.ndarray) -> np.ndarray:
    """(N,) metres from the skin, about, negative inside; points (N, 3)."""
    fingers = _finger(points, 0)
    for chain in range(1, 5):
        fingers = _smooth_min(fingers, _finger(points, chain), 0.004)
    return _smooth_min(_palm(points), fingers, 0.007)


def chain_radius(chain: int, joint: int) -> float:
    """Metres from the axis to the skin of the mean hand at a chain's joint (0 base to 3 tip)."""
    return float(_RADII[min(chain, 1), joint] * _GIRTH[chain])


def _gradient(points: np.ndarray) -> np.ndarray:
    """(N, 3) unit direction out of the flesh at points (N, 3)."""
    h = 2e-4 * np.eye(3)
    slope = np.stack([hand_distance(points + e) - hand_distance(points - e) for e in h], axis=1)
    return slope / np.linalg.norm(slope, axis=1, keepdims=True)


def _finger(points: np.ndarray, chain: int) -> np.ndarray:
    joints = REST.joints[1 + 4 * chain : 5 + 4 * chain].copy()
    frame = REST.frames[chain, 2]
    joints[3] -= 0.0035 * frame[:, 1]
    radii = [chain_radius(chain, joint) for joint in range(4)]
    distance = _capsule(points, joints[0], joints[1], radii[0], radii[1])
    for bone in (1, 2):
        part = _capsule(points, joints[bone], joints[bone + 1], radii[bone], radii[bone + 1])
        distance = _smooth_min(distance, part, 0.003)
    pulp = 0.5 * (joints[2] + joints[3]) + 0.0018 * frame[:, 2]
    end = _capsule(points, pulp, joints[3], 1.06 * radii[3], 0.94 * radii[3])
    return _smooth_min(distance, end, 0.003)


def _palm(points: np.ndarray) -> np.ndarray:
    distance = _wrist(points)
    for base, width in zip(REST.joints[5::4], (10.3, 10.2, 9.7, 9.0), strict=True):
        back = base * [0.5, 0.16, 0.0] + _mm(0, 0, -3)
        front = base * [0.55, 0.25, 0.0] + _mm(0, 0, 6)
        knuckle, pad = base + _mm(0, -1, -0.8), base + _mm(0, 8, 4.5)
        dorsal = _capsule(points, back, knuckle, 0.0115, 1e-3 * width)
        palmar = _capsule(points, front, pad, 0.010, 0.0088)
        distance = _smooth_min(_smooth_min(distance, dorsal, 0.006), palmar, 0.005)
    for part in _pads():
        distance = _smooth_min(distance, _capsule(points, *part), 0.006)
    return distance


def _pads() -> list[tuple[np.ndarray, np.ndarray, float, float]]:
    """Thenar, hypothenar and the web between thumb and index finger: two ends, two radii."""
    thumb, index = REST.joints[1:3], REST.joints[5]
    half, most = thumb.mean(axis=0), 0.25 * thumb[0] + 0.75 * thumb[1]
    ball, inward, palmar = half + _mm(-3, 0, 1), _mm(-6, 0, 0), _mm(0, 0, 3)
    return [
        (_mm(14, 14, 7), ball, 0.0130, 0.0145),
        (ball, thumb[1], 0.0145, 0.0108),
        (_mm(-16, 12, 6), _mm(-29, 50, 6), 0.0130, 0.0110),
        (most + inward, 0.72 * index + palmar, 0.0075, 0.0075),
        (half, 0.55 * index + palmar, 0.0100, 0.0100),
    ]


def _mm(x: float, y: float, z: float) -> np.ndarray:
    return 1e-3 * np.array([x, y, z])


def _wrist(points: np.ndarray) -> np.ndarray:
    """An elliptic cylinder that tapers off inside the heel of the hand."""
    y = points[:, 1]
    taper = 1.0 - 0.4 * np.clip((y + 0.008) / 0.040, 0.0, 1.0)
    across, through = ARM_AXES[0] * taper, ARM_AXES[1] * taper
    radial = np.hypot(points[:, 0] / across, points[:, 2] / through) - 1.0
    return np.maximum(radial * through, np.maximum(y - 0.032, -0.055 - y))


def _capsule(
    points: np.ndarray, start: np.ndarray, end: np.ndarray, r0: float, r1: float
) -> np.ndarray:
    """(N,) distance from the segment start-end (3,) whose radius runs from r0 to r1."""
    along = end - start
    t = np.clip((points - start) @ along / (along @ along), 0.0, 1.0)
    return np.linalg.norm(points - start - t[:, None] * along, axis=1) - (r0 + (r1 - r0) * t)


def _smooth_min(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """The smaller of two distances, blended where they differ by less than `width`."""
    mix = np.clip(0.5 + 0.5 * (b - a) / width, 0.0, 1.0)
    return b + (a - b) * mix - width * mix * (1.0 - mix)
