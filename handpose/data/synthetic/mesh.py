"""The mean hand's skin at rest, the bare forearm and a sleeve, as triangle meshes.

The hand is a smooth union of tapered capsules, meshed once per process. Right hand, hand frame of
`anatomy`, metres. Faces are counter-clockwise seen from outside.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.anatomy import MEAN_PROPORTIONS, pose_skeleton

_STEP = 0.0033  # of the grid on which the distance to the skin is sampled
_LOW, _HIGH = np.array([-0.074, -0.062, -0.034]), np.array([0.112, 0.202, 0.072])
_GIRTH = np.array([1.18, 1.0, 1.02, 0.97, 0.86])  # of the chains, relative to the index finger
_RADII = 1e-3 * np.array([[11.0, 9.6, 8.2, 6.5], [9.6, 8.5, 7.5, 6.0]])  # of a thumb, of a finger

_ARM_AXES = (0.0275, 0.0190)  # half width and half thickness at the wrist
_ARM_STARTS, _ARM_ENDS = -0.040, -0.34
_AROUND = 28  # vertices of a ring of a tube

_CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_EDGES = [(0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7)]
_EDGES += [(0, 4), (1, 5), (2, 6), (3, 7)]


class Mesh(NamedTuple):
    """A triangle mesh with outward unit normals."""

    vertices: np.ndarray  # (V, 3) metres
    normals: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3) int


def join(*meshes: Mesh) -> Mesh:
    """Return one mesh of several, in their order."""
    first = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + np.int32(start) for mesh, start in zip(meshes, first, strict=False)]
    vertices, normals = (np.concatenate([mesh[i] for mesh in meshes]) for i in (0, 1))
    return Mesh(vertices, normals, np.concatenate(faces))


REST = pose_skeleton(np.zeros((5, 4)), MEAN_PROPORTIONS)


@cache
def rest_mesh() -> Mesh:
    """Mesh the bare hand and forearm at rest."""
    shape = np.ceil((_HIGH - _LOW) / _STEP).astype(int)
    axes = [low + _STEP * np.arange(n) for low, n in zip(_LOW, shape, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    vertices, faces = surface_net(hand_distance(grid).reshape(shape), _LOW, _STEP)
    for _ in range(2):
        vertices = vertices - hand_distance(vertices)[:, None] * _gradient(vertices)
    arm = arm_tube()
    return Mesh(
        np.concatenate([vertices, arm.vertices]),
        np.concatenate([_gradient(vertices), arm.normals]),
        np.concatenate([faces, arm.faces + len(vertices)]).astype(np.int32),
    )


def hand_distance(points: np.ndarray) -> np.ndarray:
    """Return (N,) approximate metres from the skin, negative inside; points (N, 3)."""
    fingers = _finger(points, 0)
    for chain in range(1, 5):
        fingers = _smooth_min(fingers, _finger(points, chain), 0.004)
    return _smooth_min(_palm(points), fingers, 0.007)


def chain_radius(chain: int, joint: int) -> float:
    """Return metres from the axis of a finger to the mean hand's skin.

    Args:
        chain: 0 thumb to 4 little finger.
        joint: 0 base to 3 tip.
    """
    return float(_RADII[min(chain, 1), joint] * _GIRTH[chain])


def _gradient(points: np.ndarray) -> np.ndarray:
    """Return (N, 3) unit direction out of the flesh at points (N, 3)."""
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
    """Return thenar, hypothenar and the thumb web: two ends and two radii each."""
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
    """Return the distance to an elliptic cylinder that tapers off inside the heel of the hand."""
    y = points[:, 1]
    taper = 1.0 - 0.4 * np.clip((y + 0.008) / 0.040, 0.0, 1.0)
    across, through = _ARM_AXES[0] * taper, _ARM_AXES[1] * taper
    radial = np.hypot(points[:, 0] / across, points[:, 2] / through) - 1.0
    return np.maximum(radial * through, np.maximum(y - 0.032, -0.055 - y))


def _capsule(
    points: np.ndarray, start: np.ndarray, end: np.ndarray, r0: float, r1: float
) -> np.ndarray:
    """Return (N,) distance from the segment start-end (3,) whose radius runs from r0 to r1."""
    along = end - start
    t = np.clip((points - start) @ along / (along @ along), 0.0, 1.0)
    return np.linalg.norm(points - start - t[:, None] * along, axis=1) - (r0 + (r1 - r0) * t)


def _smooth_min(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Return the smaller of two distances, blended where they differ by less than `width`."""
    mix = np.clip(0.5 + 0.5 * (b - a) / width, 0.0, 1.0)
    return b + (a - b) * mix - width * mix * (1.0 - mix)


def surface_net(
    distance: np.ndarray, origin: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mesh the zero level of a signed distance on a grid (naive surface nets).

    Args:
        distance: (X, Y, Z), negative inside and positive at the border.
        origin: (3,) position of node (0, 0, 0).
        step: distance between nodes, in the unit of `origin`.

    Returns:
        Vertices (V, 3) in the unit of `step`, and faces (F, 3).
    """
    inside = distance < 0
    corners = np.stack([_corner(distance, c) for c in _CORNERS])
    mixed = (corners < 0).any(axis=0) & ~(corners < 0).all(axis=0)
    cells = np.argwhere(mixed)
    values = corners[:, cells[:, 0], cells[:, 1], cells[:, 2]]
    vertices = origin + step * (cells + _crossing_mean(values))
    number = np.full(corners.shape[1:], -1, dtype=np.int64)
    number[tuple(cells.T)] = np.arange(len(cells))
    return vertices, np.concatenate([_faces_across(inside, number, axis) for axis in range(3)])


def _corner(distance: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Return (X-1, Y-1, Z-1) the value at one corner of every cell."""
    window = tuple(slice(c, n - 1 + c) for c, n in zip(corner, distance.shape, strict=True))
    return distance[window]


def _crossing_mean(values: np.ndarray) -> np.ndarray:
    """Return (N, 3) in cells, the mean surface crossing of a cell's edges; values (8, N)."""
    total, count = np.zeros((values.shape[1], 3)), np.zeros((values.shape[1], 1))
    for a, b in _EDGES:
        crossed = ((values[a] < 0) != (values[b] < 0))[:, None]
        gap = np.where(crossed[:, 0], values[a] - values[b], 1.0)
        t = (values[a] / gap)[:, None]
        total += crossed * (_CORNERS[a] * (1 - t) + _CORNERS[b] * t)
        count += crossed
    return total / count


def _faces_across(inside: np.ndarray, number: np.ndarray, axis: int) -> np.ndarray:
    """Return (F, 3) two triangles around each grid edge along `axis` that the surface crosses."""
    order = [axis, (axis + 1) % 3, (axis + 2) % 3]
    inside, number = inside.transpose(order), number.transpose(order)
    near, far = inside[:-1, 1:-1, 1:-1], inside[1:, 1:-1, 1:-1]
    i, j, k = np.nonzero(near != far)
    quad = np.stack(
        [number[i, j, k], number[i, j + 1, k], number[i, j + 1, k + 1], number[i, j, k + 1]], axis=1
    )
    quad = np.where(near[i, j, k][:, None], quad, quad[:, ::-1])
    return np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])


def arm_tube() -> Mesh:
    """Mesh the bare forearm at rest."""
    along = np.linspace(_ARM_STARTS, _ARM_ENDS, 9)
    return _tube(along, arm_swell(along), np.ones((9, _AROUND)))


def arm_swell(along: np.ndarray) -> np.ndarray:
    """Return (N, 2) half axes of the forearm at y = along (N,)."""
    swell = np.clip((_ARM_STARTS - along) / 0.2, 0.0, 1.0)[:, None]
    return np.array(_ARM_AXES) * (1 + swell * [0.35, 0.75])


def sleeve_tube(start: float, looseness: float, folds: np.ndarray) -> Mesh:
    """Mesh a sleeve around the forearm at rest.

    Args:
        start: y of the cuff, metres.
        looseness: distance from the arm, metres.
        folds: (R, A) in 0..1, wrinkles, resampled to the rings of the tube.
    """
    rings = 12
    along = start + (_ARM_ENDS - start) * np.linspace(0.0, 1.0, rings) ** 1.5
    along[0] = start + 0.001
    axes = arm_swell(along) + looseness
    axes[0] -= 0.7 * looseness  # the cuff turns in
    rows = np.arange(rings) % folds.shape[0]
    columns = np.arange(_AROUND) * folds.shape[1] // _AROUND
    return _tube(along, axes, 1 + 0.10 * (folds[rows][:, columns] - 0.5))


def _tube(along: np.ndarray, axes: np.ndarray, swell: np.ndarray) -> Mesh:
    angle = np.linspace(0.0, 2 * np.pi, _AROUND, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    cross = axes[:, None] * circle * swell[..., None]
    y = np.broadcast_to(along[:, None], swell.shape)
    grid = np.stack([cross[..., 0], y, cross[..., 1]], axis=-1)
    around = np.roll(grid, -1, axis=1) - np.roll(grid, 1, axis=1)
    normals = np.cross(around, np.gradient(grid, axis=0))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return Mesh(grid.reshape(-1, 3), normals.reshape(-1, 3), _tube_faces(len(along)))


@cache
def _tube_faces(rings: int) -> np.ndarray:
    """Return (F, 3) int32 between neighbouring rings."""
    number = np.arange(rings * _AROUND, dtype=np.int32).reshape(rings, _AROUND)
    a, b = number[:-1], number[1:]
    c, d = np.roll(a, -1, axis=1), np.roll(b, -1, axis=1)
    return np.stack([a, c, b, b, c, d], axis=-1).reshape(-1, 3)
