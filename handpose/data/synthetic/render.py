"""Renders random hands: one call, one image with its joints, camera and box."""

from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.backdrop import place_occluder
from handpose.data.synthetic.camera import choose_camera, photograph
from handpose.data.synthetic.composition import Composition, compose, interpolate
from handpose.data.synthetic.domain import SIMPLE, Domain, Draws, happens, split_draws
from handpose.data.synthetic.lights import sample_lighting
from handpose.data.synthetic.objects import choose_thing, thing_albedo
from handpose.data.synthetic.person import Person, Sleeve, sample_person, sample_skin
from handpose.data.synthetic.places import paint_place
from handpose.data.synthetic.scene import WRIST_END, Owner, pose_hand, project
from handpose.data.synthetic.shadows import cast_shadows, wall_light
from handpose.data.synthetic.surface import MARKINGS_SHAPE, Surface, crevices, shade, skin_surface

_OVERSAMPLING = 1.5  # pixels per output pixel and axis
_LITTLE_HIDDEN = 0.25  # share of the hand; if others hide more, no occluder is placed
_ANOTHER_PERSON = 0.5  # of the second hands; the others belong to the labelled hand's person


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
    thing = choose_thing(draws.held, domain)
    hand = pose_hand(draws, size, orientation, person, camera, thing)
    fine = round(size * _OVERSAMPLING)
    scene = compose(draws, hand, fine, np.float32(fine / size), domain)
    painted, covered, visible, wall = paint(draws, scene, domain, person)
    backdrop = paint_place(draws.backdrop, size, domain.backdrop)
    if wall is not None:
        backdrop = backdrop * wall
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
    scene: Composition,
    domain: Domain = SIMPLE,
    person: Person | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Light the visible points and place an occluder.

    Args:
        draws: generators of the image's parts.
        scene: what is seen.
        domain: the world.
        person: whose hand it is; the skin is drawn if None.

    Returns:
        Image (S, S, 3) sRGB, covered pixels (S, S), visible hand (S, S), and what shadows leave of
        a wall behind it (size, size, 3), None without shadows. S is `scene.fine`, and `size` the
        side of the frame in px.
    """
    fine, fragments = scene.fine, scene.fragments
    normals, rest = interpolate(scene)
    depth = _spread(fragments.depth, fragments.pixel, fine)
    openness = crevices(depth, depth > 0).ravel()[fragments.pixel]
    owner = scene.owner[fragments.face]
    surface = _material(draws, scene, owner, rest, person)
    lighting = sample_lighting(draws.lights, domain.lights)
    shadows = None
    if happens(draws.shadow, domain.cast_shadow * lighting.hard):
        shadows = cast_shadows(draws.shadow, scene, normals, lighting.lights[0])
    lit = shade(surface, normals, openness, lighting, shadows and shadows.points)
    wall = None if shadows is None else wall_light(lighting, shadows.wall)
    image = _spread(lit.T, fragments.pixel, fine)
    visible = _spread((owner == Owner.HAND) & (rest[1] > WRIST_END), fragments.pixel, fine)
    hides = scene.hidden < _LITTLE_HIDDEN and happens(draws.occluder, domain.occluder)
    occluder = place_occluder(draws.occluder, visible) if hides else None
    if occluder is None:
        return image, depth > 0, visible, wall
    mask, look = occluder
    painted = np.where(mask[..., None], look, image)
    return painted, (depth > 0) | mask, visible & ~mask, wall


def _material(
    draws: Draws, scene: Composition, owner: np.ndarray, rest: np.ndarray, person: Person | None
) -> Surface:
    """Return the material of visible points, each with its owner (N,) and place `rest` (3, N)."""
    skin = person.skin if person else sample_skin(draws.person, MARKINGS_SHAPE)
    surface = skin_surface(skin, rest[:2], rest[2])
    if scene.second is not None:
        other = skin
        if draws.second.random() < _ANOTHER_PERSON:
            other = sample_skin(draws.second, MARKINGS_SHAPE)
        at = np.flatnonzero(owner == Owner.SECOND_HAND)
        _put(surface, at, skin_surface(other, rest[:2, at], rest[2, at]))
        surface = _clothed(surface, scene.second.sleeve, owner == Owner.SECOND_SLEEVE)
    surface = _clothed(surface, scene.hand.sleeve, owner == Owner.SLEEVE)
    if scene.hand.held is not None:
        thing, at = scene.hand.held.thing, np.flatnonzero(owner == Owner.OBJECT)
        _put(surface, at, Surface(thing_albedo(thing, rest[:, at]), np.full(len(at), thing.gloss)))
    return surface


def _clothed(surface: Surface, sleeve: Sleeve | None, cloth: np.ndarray) -> Surface:
    """Return the surface with cloth at some of its points (N,) bool."""
    if sleeve is None:
        return surface
    albedo = np.where(cloth, sleeve.colour[:, None], surface.albedo)
    return Surface(albedo, np.where(cloth, np.float32(0), surface.gloss))


def _put(surface: Surface, at: np.ndarray, other: Surface) -> None:
    """Overwrite the surface at points (M,) by another of M points."""
    surface.albedo[:, at] = other.albedo
    surface.gloss[at] = other.gloss


def _spread(values: np.ndarray, pixel: np.ndarray, fine: int) -> np.ndarray:
    """Return (S, S, ...) with the values (N, ...) at their pixels (N,), zero elsewhere."""
    image = np.zeros((fine * fine, *values.shape[1:]), values.dtype)
    image[pixel] = values
    return image.reshape(fine, fine, *values.shape[1:])
