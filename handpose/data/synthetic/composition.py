"""All meshes before the camera in one z-buffer: labelled hand, object in it, and second hand."""

from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.domain import Domain, Draws, happens
from handpose.data.synthetic.mesh import Mesh, join
from handpose.data.synthetic.raster import Fragments, in_front, rasterise
from handpose.data.synthetic.scene import WRIST_END, Owner, PosedHand, image_points
from handpose.data.synthetic.second_hand import draw_beside, sample_second_hand

_BEFORE = 0.75  # of the second hands are before the first, where that hides little enough
_MOST_HIDDEN = 0.40  # of the labelled hand's silhouette, by the object and the second hand


class Composition(NamedTuple):
    """What is before the camera, and its visible points."""

    hand: PosedHand  # the labelled hand, its `held` is None if no object is drawn
    second: PosedHand | None
    mesh: Mesh  # all meshes joined
    rest: np.ndarray  # (V, 3) float32, as of `PosedHand`; of an object as of `thing_mesh`
    owner: np.ndarray  # (F,) int8, an `Owner` for each face
    fragments: Fragments
    fine: int  # side of the z-buffer in px
    scale: np.float32  # px of the z-buffer per px of the frame
    hidden: float = 0.0  # share of the labelled hand that others hide


def compose(
    draws: Draws, hand: PosedHand, fine: int, scale: np.float32, domain: Domain
) -> Composition:
    """Draw the labelled hand with the object in it, and perhaps a second hand.

    An object or a second hand that would hide too much of the labelled hand is left out, or the
    second hand is put behind.

    Args:
        draws: generators of the image's parts.
        hand: the labelled hand.
        fine: side of the z-buffer in px.
        scale: px of the z-buffer per px of the frame.
        domain: the world.
    """
    scene = _alone(hand, fine, scale)
    if hand.held is not None:
        mesh = hand.held.mesh
        points = image_points(hand.K, mesh.vertices, scale)
        drawn = rasterise(points, mesh.vertices[:, 2], mesh.faces, fine)
        owner = np.full(len(mesh.faces), Owner.OBJECT, np.int8)
        with_object = _added(scene, mesh, hand.held.place, owner, drawn)
        bare = scene._replace(hand=hand._replace(held=None))
        scene = with_object if with_object.hidden <= _MOST_HIDDEN else bare
    if happens(draws.second, domain.second_hand):
        scene = _with_second_hand(draws.second, scene)
    return scene


def interpolate(scene: Composition) -> tuple[np.ndarray, np.ndarray]:
    """Return unit normals (3, N), camera frame, and `rest` (3, N), at the visible points."""
    fragments = scene.fragments
    known = np.concatenate([scene.mesh.normals.T, scene.rest.T])
    values = np.zeros((6, len(fragments.pixel)), np.float32)
    corners = np.ascontiguousarray(scene.mesh.faces[fragments.face].T)
    for corner, weight in zip(corners, fragments.weights, strict=True):
        values += np.take(known, corner, axis=1) * weight
    normals = values[:3]
    return normals / np.sqrt((normals * normals).sum(axis=0)), values[3:]


def _alone(hand: PosedHand, fine: int, scale: np.float32) -> Composition:
    points = image_points(hand.K, hand.mesh.vertices, scale)
    fragments = rasterise(points, hand.mesh.vertices[:, 2], hand.mesh.faces, fine)
    return Composition(hand, None, hand.mesh, hand.rest, hand.owner, fragments, fine, scale)


def _with_second_hand(rng: np.random.Generator, scene: Composition) -> Composition:
    """Return the scene with a second hand, unless it fits neither before nor behind the first."""
    second = sample_second_hand(rng, scene.hand)
    depth = np.zeros(scene.fine * scene.fine, np.float32)
    depth[scene.fragments.pixel] = scene.fragments.depth
    for before in (True, False) if rng.random() < _BEFORE else (False,):
        placed = draw_beside(second, scene.fine, scene.scale, depth, before)
        if placed is None:
            continue
        moved, drawn = placed
        shift = np.int8(Owner.SECOND_HAND - Owner.HAND)
        added = _added(scene, moved.mesh, moved.rest, moved.owner + shift, drawn)
        if added.hidden <= _MOST_HIDDEN:
            return added._replace(second=moved)
    return scene


def _added(
    scene: Composition,
    mesh: Mesh,
    rest: np.ndarray,
    owner: np.ndarray,
    drawn: Fragments,
) -> Composition:
    """Return the scene with one more mesh, whose fragments alone are `drawn`."""
    drawn = drawn._replace(face=drawn.face + len(scene.mesh.faces))
    joined = scene._replace(
        mesh=join(scene.mesh, mesh),
        rest=np.concatenate([scene.rest, rest]),
        owner=np.concatenate([scene.owner, owner]),
        fragments=in_front([scene.fragments, drawn], scene.fine),
    )
    left = _hand_px(joined) / max(_hand_px(scene), 1)
    return joined._replace(hidden=1.0 - (1.0 - scene.hidden) * left)


def _hand_px(scene: Composition) -> int:
    """Return the number of px of the labelled hand, without its arm."""
    first = scene.mesh.faces[scene.fragments.face, 0]
    hand = (scene.owner[scene.fragments.face] == Owner.HAND) & (scene.rest[first, 1] > WRIST_END)
    return int(hand.sum())
