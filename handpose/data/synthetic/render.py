"""Renders random hands: one call, one image with its joints, camera and box."""

from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.backdrop import place_occluder
from handpose.data.synthetic.camera import choose_camera, photograph
from handpose.data.synthetic.domain import SIMPLE, Domain, Draws, happens, split_draws
from handpose.data.synthetic.lights import sample_lighting
from handpose.data.synthetic.person import Person, sample_person, sample_skin
from handpose.data.synthetic.places import paint_place
from handpose.data.synthetic.raster import Fragments, rasterise
from handpose.data.synthetic.scene import WRIST_END, Owner, PosedHand, pose_hand, project
from handpose.data.synthetic.surface import MARKINGS_SHAPE, Surface, crevices, shade, skin_surface

_OVERSAMPLING = 1.5  # pixels per output pixel and axis


class RenderedHand(NamedTuple):
    """One image and all that is known about it."""

    image: np.ndarray  # (size, size, 3) uint8 RGB
    uv: np.ndarray  # (21, 2) float32, px of image, integers are pixel centres
    xyz: np.ndarray  # (21, 3) float32, metres, camera frame: x right, y down, z forward
    K: np.ndarray  # (3, 3) float32, uv is the projection of xyz
    box: np.ndarray  # (3,) float32, px: centre u, v and side of the square around the visible hand
    side: str  # "left" | "right"


def render_hand(
    rng: np.random.Generator,
    *,
    size: int,
    orientation: str,
    domain: Domain = SIMPLE,
    person: Person | None = None,
) -> RenderedHand:
    """Draw and render one hand, left or right with equal probability.

    Args:
        rng: source of all randomness.
        size: side of the square image in px.
        orientation: "frontal" (fingers up, palm or back within 25 degrees of the camera), "upright"
            (50 degrees) or "any".
        domain: the world, see `handpose.data.synthetic.domain`.
        person: whose hand it is; drawn if None.
    """
    left = rng.random() < 0.5
    hand, _ = render_right_hand(
        rng, size=size, orientation=orientation, domain=domain, person=person
    )
    return mirrored(hand) if left else hand


def mirrored(hand: RenderedHand) -> RenderedHand:
    """Return the mirrored scene, with the other hand; its own inverse."""
    last = hand.image.shape[1] - 1
    K = hand.K.copy()
    K[0, 2] = last - K[0, 2]
    xyz = hand.xyz * np.array([-1, 1, 1], dtype=np.float32)
    box = np.array([last - hand.box[0], hand.box[1], hand.box[2]], dtype=np.float32)
    image = np.ascontiguousarray(hand.image[:, ::-1])
    side = "left" if hand.side == "right" else "right"
    return RenderedHand(image, project(K, xyz), xyz, K, box, side)


def render_right_hand(
    rng: np.random.Generator,
    *,
    size: int,
    orientation: str,
    domain: Domain = SIMPLE,
    person: Person | None = None,
) -> tuple[RenderedHand, np.ndarray]:
    """Draw and render one right hand.

    Args:
        rng: source of all randomness.
        size: side of the square image in px.
        orientation: see `render_hand`.
        domain: the world.
        person: whose hand it is; drawn if None.

    Returns:
        The hand, and the mask (S, S) bool of its visible silhouette, S 1.5 times `size`.
    """
    draws = split_draws(rng, domain)
    camera = choose_camera(draws.camera, domain)
    if person is None and domain.own_draws:
        person = sample_person(draws.person, MARKINGS_SHAPE, domain.adornment)
    hand = pose_hand(draws, size, orientation, person, camera)
    fine = round(size * _OVERSAMPLING)
    scale = np.float32(fine / size)
    points = scale * (project(hand.K, hand.mesh.vertices) + np.float32(0.5)) - np.float32(0.5)
    fragments = rasterise(points, hand.mesh.vertices[:, 2], hand.mesh.faces, fine)
    painted, covered, visible = paint(draws, hand, fragments, fine, domain, person)
    backdrop = paint_place(draws.backdrop, size, domain.backdrop)
    front = cv2.resize(painted, (size, size), interpolation=cv2.INTER_AREA)
    share = cv2.resize(covered.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    image = photograph(draws.camera, front, share, backdrop, domain, camera)
    box = silhouette_box(visible, fine / size)
    uv = project(hand.K, hand.joints)
    return RenderedHand(image, uv, hand.joints, hand.K, box, "right"), visible


def silhouette_box(mask: np.ndarray, scale: float) -> np.ndarray:
    """Compute the square (3,) float32 around a silhouette, in px of the image.

    Args:
        mask: (S, S) bool.
        scale: px of the mask per px of the image.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    low = np.array([columns[0], rows[0]]) / scale - 0.5
    high = np.array([columns[-1] + 1, rows[-1] + 1]) / scale - 0.5
    return np.array([*(low + high) / 2, (high - low).max()], dtype=np.float32)


def paint(
    draws: Draws,
    hand: PosedHand,
    fragments: Fragments,
    fine: int,
    domain: Domain = SIMPLE,
    person: Person | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Light the visible points and place an occluder.

    Args:
        draws: generators of the image's parts.
        hand: what is seen.
        fragments: its visible points.
        fine: S, side of the image in px.
        domain: the world.
        person: whose hand it is; the skin is drawn if None.

    Returns:
        Image (S, S, 3) sRGB, covered pixels (S, S) and visible hand (S, S).
    """
    normals, rest = _interpolate(hand, fragments)
    depth = _spread(fragments.depth, fragments.pixel, fine)
    openness = crevices(depth, depth > 0).ravel()[fragments.pixel]
    owner = hand.owner[fragments.face]
    surface = _material(draws, hand, owner, rest, person)
    lighting = sample_lighting(draws.lights, domain.lights)
    lit = shade(surface, normals, openness, lighting)
    image = _spread(lit.T, fragments.pixel, fine)
    visible = _spread((owner == Owner.HAND) & (rest[1] > WRIST_END), fragments.pixel, fine)
    hides = happens(draws.occluder, domain.occluder)
    occluder = place_occluder(draws.occluder, visible) if hides else None
    if occluder is None:
        return image, depth > 0, visible
    mask, look = occluder
    return np.where(mask[..., None], look, image), (depth > 0) | mask, visible & ~mask


def _material(
    draws: Draws, hand: PosedHand, owner: np.ndarray, rest: np.ndarray, person: Person | None
) -> Surface:
    """Return the material of visible points, each with its owner (N,) and place `rest` (3, N)."""
    skin = person.skin if person else sample_skin(draws.person, MARKINGS_SHAPE)
    surface = skin_surface(skin, rest[:2], rest[2])
    if hand.sleeve is None:
        return surface
    cloth = owner == Owner.SLEEVE
    albedo = np.where(cloth, hand.sleeve.colour[:, None], surface.albedo)
    return Surface(albedo, np.where(cloth, np.float32(0), surface.gloss))


def _spread(values: np.ndarray, pixel: np.ndarray, fine: int) -> np.ndarray:
    """Return (S, S, ...) with the values (N, ...) at their pixels (N,), zero elsewhere."""
    image = np.zeros((fine * fine, *values.shape[1:]), values.dtype)
    image[pixel] = values
    return image.reshape(fine, fine, *values.shape[1:])


def _interpolate(hand: PosedHand, fragments: Fragments) -> tuple[np.ndarray, np.ndarray]:
    """Return unit normals (3, N), camera frame, and `rest` (3, N), at the visible points."""
    known = np.concatenate([hand.mesh.normals.T, hand.rest.T])
    values = np.zeros((6, len(fragments.pixel)), np.float32)
    corners = np.ascontiguousarray(hand.mesh.faces[fragments.face].T)
    for corner, weight in zip(corners, fragments.weights, strict=True):
        values += np.take(known, corner, axis=1) * weight
    normals = values[:3]
    return normals / np.sqrt((normals * normals).sum(axis=0)), values[3:]
