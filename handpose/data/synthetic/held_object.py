"""Grips: the fingers close around an object in the palm, or thumb and index finger pinch it.

Hand frame of `anatomy`, metres. All joints stay within the limits of `anatomy`.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.anatomy import (
    LIMITS,
    MEAN_BASES,
    Proportions,
    pose_chains,
    rotation,
)
from handpose.data.synthetic.mesh import Mesh, chain_radius, rest_mesh
from handpose.data.synthetic.objects import PINCHED, Thing, distance, thing_mesh

_FLESH = 0.0015  # metres that an object sinks into the skin
_LIFT = 0.047  # metres above the middle of the palm from which an object is lowered
_STEPS = 28  # angles tried per joint while a finger closes
_TOUCH = 0.014  # metres between the axes of thumb and finger where the flesh begins to overlap
# Degrees: a finger before it closes, abduction towards the thumb for each finger, then flexions.
_OPEN = [[2, -14, 8, 4], [0, -14, 8, 4], [-1, -14, 8, 4], [-3, -14, 8, 4]]
_PINCH = [[-2, 42, 42, 22], [-1, 36, 42, 24], [0, 36, 44, 26], [2, 36, 44, 26]]
_THUMB_GRID = (  # degrees, lowest, highest and number
    *((-32, 22, 8), (-12, 46, 7)),
    *((-5, 50, 4), (0, 65, 4)),
)
_THUMB_FINALISTS = 48
_THUMB_HABIT = np.radians([[-12, 22, 18, 22]])
_BONE_STEPS = np.array([0.3, 0.65, 1.0])


class Grip(NamedTuple):
    """A hand's pose around an object."""

    angles: np.ndarray  # (5, 4) radians
    mesh: Mesh  # of the object, hand frame
    place: np.ndarray  # (V, 3) float32, as of `objects.thing_mesh`
    thing: Thing


class _Placed(NamedTuple):
    """An object in the hand frame."""

    thing: Thing
    centre: np.ndarray  # (3,)
    frame: np.ndarray  # (3, 3), its axes in columns

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return (...) metres from the surface, of points (..., 3) in the hand frame."""
        return distance(self.thing, (points - self.centre) @ self.frame)


def grip(rng: np.random.Generator, thing: Thing, proportions: Proportions) -> Grip:
    """Draw a pose that holds an object, and the object's place in the hand.

    Args:
        rng: source of all randomness.
        thing: the object.
        proportions: build of the hand.
    """
    if thing.kind in PINCHED:
        placed, fingers = _pinch(rng, thing, proportions)
    else:
        placed = _in_palm(rng, thing, proportions)
        most = np.radians(rng.uniform([[0, 55, 70, 25]], [[0, 88, 105, 70]]))
        noise = rng.normal(0.0, np.radians([2.5, 4.0, 4.0, 3.0]), (4, 4))
        fingers = _close(np.radians(_OPEN) + noise, most, placed, proportions)
    thumb = _place_thumb(placed, fingers, proportions)
    mesh, place = thing_mesh(thing)
    vertices = mesh.vertices @ placed.frame.T + placed.centre
    moved = Mesh(vertices, mesh.normals @ placed.frame.T, mesh.faces)
    return Grip(np.concatenate([thumb[None], fingers]), moved, place, thing)


def _in_palm(rng: np.random.Generator, thing: Thing, proportions: Proportions) -> _Placed:
    """Lay an object across the palm, and lower it until it touches the skin."""
    turn = rotation("z", np.radians(rng.uniform(-8.0, 28.0)))
    flip = rotation("x", np.pi * rng.integers(2)) @ rotation("z", np.pi * rng.integers(2))
    y = rng.uniform(0.066, 0.080)
    if thing.kind in ("box", "phone"):
        y = 0.046 + thing.half[1] + rng.uniform(-0.004, 0.008)
    reach = max(thing.half[0] - 0.045, 0.0)
    x = rng.uniform(-0.006, 0.006) + reach * rng.uniform(-0.75, 0.75)
    along = turn[:, 0] * x
    start = np.array([along[0], y * proportions.size + along[1], 0.0])
    palm = _palm_points() * _palm_scale(proportions)
    above = _Placed(thing, start + np.array([0.0, 0.0, thing.half[2] + _LIFT]), turn @ flip)
    for sunk in np.linspace(0.0, _LIFT, 48):
        placed = above._replace(centre=above.centre - np.array([0.0, 0.0, sunk]))
        if placed.distance(palm).min() < -_FLESH:
            break
    return placed


@cache
def _palm_points() -> np.ndarray:
    """Return (P, 3) points on the palm at rest."""
    mesh = rest_mesh()
    x, y = mesh.vertices[:, :2].T
    palmar = (mesh.normals[:, 2] > 0.3) & (y > 0.0) & (y < 0.088) & (np.abs(x) < 0.045)
    return mesh.vertices[palmar][::4]


def _palm_scale(proportions: Proportions) -> np.ndarray:
    breadth = proportions.bases[4, 0] / MEAN_BASES[4, 0]
    return np.array([breadth, proportions.size, proportions.palm_thickness])


def _close(
    start: np.ndarray, most: np.ndarray, placed: _Placed, proportions: Proportions
) -> np.ndarray:
    """Close the fingers joint by joint, from the base, until each touches the object.

    Args:
        start: (4, 4) radians, before.
        most: (4, 4) or (1, 4) radians, where a joint stops that meets nothing.
        placed: the object.
        proportions: build of the hand.
    """
    angles = np.clip(start, LIMITS[1:, :, 0], LIMITS[1:, :, 1])
    most = np.broadcast_to(most, (4, 4))
    for joint in (1, 2, 3):
        stop = np.maximum(np.minimum(most[:, joint], LIMITS[1:, joint, 1]), angles[:, joint])
        tried = np.tile(angles, (_STEPS, 1, 1))
        tried[:, :, joint] = np.linspace(angles[:, joint], stop, _STEPS)
        gap = _clearance(tried, placed, proportions, slice(1, 5))[:, :, 3 * (joint - 1) :]
        free = gap.min(axis=2) > -_FLESH
        last = np.maximum(np.cumprod(free, axis=0).sum(axis=0) - 1, 0)
        angles[:, joint] = tried[last, np.arange(4), joint]
    return angles


def _clearance(
    angles: np.ndarray, placed: _Placed, proportions: Proportions, chains: slice
) -> np.ndarray:
    """Return (..., C, 9) metres between the flesh of each bone, base to tip, and the object."""
    points = _along_bones(pose_chains(angles, proportions, chains)[0])
    return placed.distance(points) - _radii()[chains] * proportions.thickness[chains, None]


def _along_bones(joints: np.ndarray) -> np.ndarray:
    """Return (..., 9, 3) points on the bones of chains with joints (..., 4, 3)."""
    steps = _BONE_STEPS[:, None]
    points = joints[..., :-1, None, :] * (1 - steps) + joints[..., 1:, None, :] * steps
    return points.reshape(*joints.shape[:-2], 9, 3)


@cache
def _radii() -> np.ndarray:
    """Return (5, 9) metres from the points on the bones to the mean hand's skin."""
    ends = np.array([[chain_radius(chain, joint) for joint in range(4)] for chain in range(5)])
    ends = ends[..., None]
    return (ends[:, :-1] * (1 - _BONE_STEPS) + ends[:, 1:] * _BONE_STEPS).reshape(5, 9)


def _pinch(
    rng: np.random.Generator, thing: Thing, proportions: Proportions
) -> tuple[_Placed, np.ndarray]:
    """Put an object on the pad of the index finger; close the other fingers."""
    noise = rng.normal(0.0, np.radians([2.0, 5.0, 5.0, 3.0]), (4, 4))
    fingers = np.radians(_PINCH) + noise
    fingers[:, 1:] += rng.normal(0.0, np.radians([7.0, 6.0, 4.0]))
    fingers = np.clip(fingers, LIMITS[1:, :, 0], LIMITS[1:, :, 1])
    joints, frames = pose_chains(fingers[:1], proportions, slice(1, 2))
    across, along, pad = frames[0, 2].T
    touch = 0.45 * joints[0, 2] + 0.55 * joints[0, 3]
    depth = chain_radius(1, 3) * proportions.thickness[1] + thing.half[2] - _FLESH
    frame = np.stack([along, -across, pad], axis=1) @ rotation("z", rng.uniform(-1.2, 1.2))
    centre = touch + pad * depth
    if thing.kind == "pen":
        web = proportions.bases[1] + [0.014, -0.004, 0.004]
        axis = (web - centre) / np.linalg.norm(web - centre)
        side = np.cross(axis, across)
        side /= np.linalg.norm(side)
        frame = np.stack([axis, side, np.cross(axis, side)], axis=1)
        centre = centre + axis * (thing.half[0] - rng.uniform(0.025, 0.040))
    elif thing.kind == "card":
        centre = centre + along * rng.uniform(0.2, 0.8) * thing.half[1]
    placed = _Placed(thing, centre, frame)
    for _ in range(2):  # moves a tilted object off the finger
        gap = _clearance(fingers[:1], placed, proportions, slice(1, 2)).min()
        placed = placed._replace(centre=placed.centre + pad * max(-_FLESH - gap, 0.0))
    opened = fingers - np.radians([0.0, 30.0, 25.0, 15.0])
    closed = _close(opened, fingers, placed, proportions)
    closed[0] = fingers[0]
    return placed, closed


def _place_thumb(placed: _Placed, fingers: np.ndarray, proportions: Proportions) -> np.ndarray:
    """Return (4,) radians: the thumb touches the object, opposite to the fingers."""
    tried = _thumb_grid()
    thumb, frames = pose_chains(tried[:, None], proportions, slice(0, 1))
    points = _along_bones(thumb)[:, 0, 2:]  # the metacarpal is in the palm
    flesh = (_radii()[0, 2:] * proportions.thickness[0]).astype(np.float32)
    gap = placed.distance(points) - flesh
    pad = thumb[:, 0, 2:].mean(axis=1) + frames[:, 0, 2, :, 2] * flesh[-1]
    others = _along_bones(pose_chains(fingers, proportions, slice(1, 5))[0]).reshape(-1, 3)
    cost = 8.0 * np.maximum(-_FLESH - gap.min(axis=1), 0.0)
    cost += np.abs(placed.distance(pad) + _FLESH)
    cost += 0.006 * np.square(tried - _THUMB_HABIT).sum(axis=1)
    if placed.thing.kind in PINCHED:
        index, pads = pose_chains(fingers[:1], proportions, slice(1, 2))
        tip = 0.45 * index[0, 2] + 0.55 * index[0, 3]
        facing = tip + pads[0, 2, :, 2] * (flesh[-1] + 2 * min(placed.thing.half[1:]))
        cost += 0.7 * np.linalg.norm(pad - facing, axis=1)
    few = cost.argsort()[:_THUMB_FINALISTS]
    between = np.linalg.norm(points[few][:, :, None] - others, axis=-1).min(axis=(1, 2))
    best: np.ndarray = tried[few[(cost[few] + 4.0 * np.maximum(_TOUCH - between, 0.0)).argmin()]]
    return best


@cache
def _thumb_grid() -> np.ndarray:
    """Return (T, 4) radians, the poses of the thumb to choose from."""
    axes = [np.radians(np.linspace(*extent)) for extent in _THUMB_GRID]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 4)
