"""Everyday objects that a hand holds: their shape, size and look, as numbers, meshes and distances.

Object frame: origin at the centre, x along the longest side (or the axis of a turned body), metres.
"""

from functools import reduce
from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.domain import Domain, happens
from handpose.data.synthetic.mesh import Mesh

KINDS = ("can", "bottle", "stick", "ball", "box", "phone", "pen", "card", "marble", "cube")
PINCHED = (
    "pen",
    "card",
    "marble",
    "cube",
)  # between thumb and index finger; others lie in the palm
_CHANCES = (0.12, 0.12, 0.12, 0.11, 0.10, 0.16, 0.09, 0.07, 0.06, 0.05)
_HALF_SIZES = 1e-3 * np.array(  # lowest and highest half size along x, y and z
    [
        *([[40, 22, 22], [65, 33, 33]], [[80, 24, 24], [115, 33, 33]]),
        *([[75, 9, 9], [150, 16, 16]], [[18, 18, 18], [36, 36, 36]]),
        *([[28, 15, 12], [60, 30, 24]], [[66, 32, 3.5], [80, 38, 5]]),
        *([[62, 3.5, 3.5], [76, 6, 6]], [[28, 18, 0.7], [44, 28, 1.5]]),
        *([[8, 8, 8], [16, 16, 16]], [[8, 7, 6], [20, 14, 12]]),
    ]
)
_FIXED_SET = 0x6F626A  # seed of the fixed set of objects
_FIXED_KINDS = ("can", "ball", "stick")  # in the fixed set, in turn
_ROUND = ("can", "bottle", "stick", "pen")  # turned around x: y and z are equal
_AROUND = 24
_FACE_CELLS = 4  # per side of a box's face


class Thing(NamedTuple):
    """One object."""

    kind: str  # one of KINDS
    half: np.ndarray  # (3,) metres, half its size
    colours: np.ndarray  # (3, 3) linear RGB of its body, its label and the print on the label
    label: np.ndarray  # (2,) centre and half length of the label along x, in half sizes
    stripes: float  # of the print over the object's length
    gloss: float


def choose_thing(rng: np.random.Generator, domain: Domain) -> Thing | None:
    """Draw whether a hand holds an object, and which.

    Args:
        rng: source of all randomness.
        domain: the world; it may have a fixed set of objects.
    """
    if not happens(rng, domain.held_object):
        return None
    if not domain.num_objects:
        return sample_thing(rng)
    number = int(rng.integers(domain.num_objects))
    fixed = np.random.default_rng([_FIXED_SET, number])
    return sample_thing(fixed, _FIXED_KINDS[number % len(_FIXED_KINDS)])


def sample_thing(rng: np.random.Generator, kind: str | None = None) -> Thing:
    """Draw an object.

    Args:
        rng: source of all randomness.
        kind: one of `KINDS`; drawn if None.
    """
    number = KINDS.index(kind) if kind else int(rng.choice(len(KINDS), p=_CHANCES))
    kind, (low, high) = KINDS[number], _HALF_SIZES[number]
    half = low + (high - low) * rng.random(3)
    if kind in _ROUND:
        half[2] = half[1]
    if kind in ("ball", "marble"):
        half[:] = half[0]
    colours = np.square(rng.uniform(0.03, 0.98, (3, 1)) * rng.uniform(0.35, 1.0, (3, 3)))
    label = np.array([rng.uniform(-0.4, 0.4), rng.uniform(0.1, 0.6)])
    if kind == "phone":
        label = np.array([0.0, 0.94])
        colours[1] *= rng.choice([0.1, 1.0])  # the screen is off or on
    return Thing(kind, half, colours, label, rng.uniform(0.0, 14.0), rng.uniform(0.02, 0.4))


def distance(thing: Thing, points: np.ndarray) -> np.ndarray:
    """Compute the distance to an object's surface, negative inside.

    Args:
        thing: the object.
        points: (..., 3) metres, object frame.

    Returns:
        (...) metres.
    """
    if thing.kind in ("ball", "marble"):
        return np.asarray(np.sqrt(np.square(points) @ np.ones(3)) - thing.half[0])
    if thing.kind in _ROUND:
        sides = [np.abs(points[..., 0]), np.hypot(points[..., 1], points[..., 2])]
    else:
        sides = [np.abs(points[..., axis]) for axis in range(3)]
    beyond = [side - half for side, half in zip(sides, thing.half, strict=False)]
    out = np.sqrt(sum(np.square(np.maximum(side, 0.0)) for side in beyond))
    inside: np.ndarray = np.minimum(reduce(np.maximum, beyond), 0.0)
    return out + inside


def thing_mesh(thing: Thing) -> tuple[Mesh, np.ndarray]:
    """Mesh an object in its frame.

    Args:
        thing: the object.

    Returns:
        The mesh, and (V, 3) float32 its vertices' x and y in half sizes and their normals' z.
    """
    if thing.kind in ("ball", "marble"):
        angle = np.linspace(0.0, np.pi, 15)
        profile = np.stack([-np.cos(angle), np.sin(angle)], axis=1) * thing.half[0]
        mesh = _turned(profile, profile / thing.half[0])
    elif thing.kind in _ROUND:
        mesh = _turned(*_hard_edged(_profile(thing)))
    else:
        mesh = _cuboid(thing.half)
    place = mesh.vertices[:, :2] / thing.half[:2]
    return mesh, np.concatenate([place, mesh.normals[:, 2:]], axis=1).astype(np.float32)


def thing_albedo(thing: Thing, place: np.ndarray) -> np.ndarray:
    """Compute the colour of an object's points.

    Args:
        thing: the object.
        place: (3, N) as of `thing_mesh`.

    Returns:
        (3, N) float32 linear RGB.
    """
    along = place[0] - np.float32(thing.label[0])
    labelled = np.abs(along) < thing.label[1]
    if thing.kind not in (*_ROUND, "ball", "marble"):
        labelled &= (np.abs(place[1]) < 0.9) & (place[2] > 0.5)
    printed = labelled & (np.sin(np.float32(np.pi * thing.stripes) * along) > 0.4)
    return thing.colours.astype(np.float32)[labelled.astype(int) + printed].T


def _profile(thing: Thing) -> np.ndarray:
    """Return (P, 2) x and radius along the outline of a body turned around x."""
    length, radius = thing.half[:2]
    ends = [(-1.0, 0.0), (-1.0, 0.94), (-0.97, 1.0), (0.97, 1.0), (1.0, 0.94), (1.0, 0.0)]
    if thing.kind == "bottle":
        ends[3:] = [(0.35, 1.0), (0.6, 0.42), (0.84, 0.38), (0.84, 0.46), (1.0, 0.46), (1.0, 0.0)]
    if thing.kind == "pen":
        ends[:3] = [(-1.0, 0.0), (-0.98, 0.2), (-0.82, 1.0)]
    return np.array(ends) * [length, radius]


def _hard_edged(outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the profile (2P - 2, 2) whose segments have vertices and normals of their own."""
    step = np.diff(outline, axis=0)
    normals = np.stack([-step[:, 1], step[:, 0]], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    ends = np.stack([outline[:-1], outline[1:]], axis=1).reshape(-1, 2)
    return ends, np.repeat(normals, 2, axis=0)


def _turned(profile: np.ndarray, normals: np.ndarray) -> Mesh:
    """Mesh a body turned around x; profile and normals (P, 2): x and radius."""
    angle = np.linspace(0.0, 2 * np.pi, _AROUND, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)])

    def swept(outline: np.ndarray) -> np.ndarray:
        x = np.broadcast_to(outline[:, :1], (len(outline), _AROUND))
        return np.stack([x, *(outline[:, 1:] * c for c in circle)], axis=-1).reshape(-1, 3)

    number = np.arange(len(profile) * _AROUND, dtype=np.int32).reshape(-1, _AROUND)
    a, b = number[:-1], number[1:]
    c, d = np.roll(a, -1, axis=1), np.roll(b, -1, axis=1)
    faces = np.stack([a, c, b, b, c, d], axis=-1).reshape(-1, 3)
    return Mesh(swept(profile), swept(normals), faces)


def _cuboid(half: np.ndarray) -> Mesh:
    """Mesh a box with half sizes (3,)."""
    n = _FACE_CELLS + 1
    u, v = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
    number = np.arange(n * n, dtype=np.int32).reshape(n, n)
    a, b, c, d = (number[i : i + n - 1, j : j + n - 1] for i in (0, 1) for j in (0, 1))
    quads = np.stack([a, c, b, c, d, b], axis=-1).reshape(-1, 3)
    vertices: list[np.ndarray] = []
    normals: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            # (axis, i, j) is right-handed; swapping i and j faces the other way.
            order = [axis, (axis + 1) % 3, (axis + 2) % 3][:: 1 if sign > 0 else -1]
            grid = np.zeros((n * n, 3))
            i, j = [k for k in order if k != axis]
            grid[:, axis], grid[:, i], grid[:, j] = sign, u.ravel(), v.ravel()
            faces.append(quads + len(vertices) * n * n)
            vertices.append(grid * half)
            normals.append(np.tile(np.eye(3)[axis] * sign, (n * n, 1)))
    return Mesh(np.concatenate(vertices), np.concatenate(normals), np.concatenate(faces))
