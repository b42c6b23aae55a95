"""Renders random hands: one call, one image with its joints, camera and box."""

from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.backdrop import paint_backdrop, place_occluder
from handpose.data.synthetic.figure import WRIST_END, PosedHand, pose_hand, project
from handpose.data.synthetic.markings import SHAPE as MARKINGS_SHAPE
from handpose.data.synthetic.raster import Fragments, rasterise
from handpose.data.synthetic.scene import Sleeve, sample_lighting, sample_skin
from handpose.data.synthetic.shading import Surface, crevices, shade, skin_surface
from handpose.data.synthetic.template import rest_mesh

_OVERSAMPLING = 1.5  # pixels per output pixel and axis
_OCCLUDED = 0.15  # of the images


class RenderedHand(NamedTuple):
    """One image and all that is known about it."""

    image: np.ndarray  # (size, size, 3) uint8 RGB
    uv: np.ndarray  # (21, 2) float32, px of image, integers are pixel centres
    xyz: np.ndarray  # (21, 3) float32, metres, camera frame: x right, y down, z forward
    K: np.ndarray  # (3, 3) float32, uv is the projection of xyz
    box: np.ndarray  # (3,) float32, px: centre u, v and side of the square around the visible hand
    side: str  # "left" | "right"


def render_hand(rng: np.random.Generator, *, size: int, orientation: str) -> RenderedHand:
    """Draw and render one hand, left or right alike often.

    size: px of the square image. orientation: "frontal" (fingers up, palm or back to the camera,
    give or take 25 degrees), "upright" (50 degrees) or "any". All that is random comes from `rng`.
    """
    left = rng.random() < 0.5
    hand, _ = render_right_hand(rng, size=size, orientation=orientation)
    return mirrored(hand) if left else hand


def mirrored(hand: RenderedHand) -> RenderedHand:
    """The same scene in a mirror: the other hand. Mirroring twice gives the hand back."""
    last = hand.image.shape[1] - 1
    K = hand.K.copy()
    K[0, 2] = last - K[0, 2]
    xyz = hand.xyz * np.array([-1, 1, 1], dtype=np.float32)
    box = np.array([last - hand.box[0], hand.box[1], hand.box[2]], dtype=np.float32)
    image = np.ascontiguousarray(hand.image[:, ::-1])
    side = "left" if hand.side == "right" else "right"
    return RenderedHand(image, project(K, xyz), xyz, K, box, side)


def render_right_hand(
    rng: np.random.Generator, *, size: int, orientation: str
) -> tuple[RenderedHand, np.ndarray]:
    """One right hand, and the mask (S, S) bool of its visible silhouette, finer than the image."""
    hand = pose_hand(rng, size, orientation)
    fine = round(size * _OVERSAMPLING)
    scale = np.float32(fine / size)
    points = scale * (project(hand.K, hand.mesh.vertices) + np.float32(0.5)) - np.float32(0.5)
    fragments = rasterise(points, hand.mesh.vertices[:, 2], hand.mesh.faces, fine)
    picture, covered, visible = _paint(rng, hand, fragments, fine)
    image = _develop(rng, _composite(picture, covered, paint_backdrop(rng, size)))
    box = silhouette_box(visible, fine / size)
    uv = project(hand.K, hand.joints)
    return RenderedHand(image, uv, hand.joints, hand.K, box, "right"), visible


def silhouette_box(mask: np.ndarray, scale: float) -> np.ndarray:
    """(3,) float32 px of the image: the square around a mask (S, S) that is `scale` times finer."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    low = np.array([columns[0], rows[0]]) / scale - 0.5
    high = np.array([columns[-1] + 1, rows[-1] + 1]) / scale - 0.5
    return np.array([*(low + high) / 2, (high - low).max()], dtype=np.float32)


def _paint(
    rng: np.random.Generator, hand: PosedHand, fragments: Fragments, fine: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (S, S, 3) sRGB, what it covers (S, S) and where the hand itself is seen (S, S)."""
    normals, rest = _interpolate(hand, fragments)
    depth = _spread(fragments.depth, fragments.pixel, fine)
    openness = crevices(depth, depth > 0).ravel()[fragments.pixel]
    cloth = fragments.face >= len(rest_mesh().faces)
    surface = skin_surface(sample_skin(rng, MARKINGS_SHAPE), rest[:2], rest[2])
    surface = _dressed(surface, cloth, hand.sleeve)
    lit = shade(surface, normals, openness, sample_lighting(rng))
    picture = _spread(lit.T, fragments.pixel, fine)
    visible = _spread(~cloth & (rest[1] > WRIST_END), fragments.pixel, fine)
    return _occlude(rng, picture, depth > 0, visible)


def _spread(values: np.ndarray, pixel: np.ndarray, fine: int) -> np.ndarray:
    """(S, S, ...) the values (N, ...) at their pixels (N,), zero elsewhere."""
    image = np.zeros((fine * fine, *values.shape[1:]), values.dtype)
    image[pixel] = values
    return image.reshape(fine, fine, *values.shape[1:])


def _interpolate(hand: PosedHand, fragments: Fragments) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals (3, N) in the camera frame, and `rest` (3, N), at the visible points."""
    known = np.concatenate([hand.mesh.normals.T, hand.rest.T])
    values = np.zeros((6, len(fragments.pixel)), np.float32)
    corners = np.ascontiguousarray(hand.mesh.faces[fragments.face].T)
    for corner, weight in zip(corners, fragments.weights, strict=True):
        values += np.take(known, corner, axis=1) * weight
    normals = values[:3]
    return normals / np.sqrt((normals * normals).sum(axis=0)), values[3:]


def _dressed(surface: Surface, cloth: np.ndarray, sleeve: Sleeve | None) -> Surface:
    """The surface with cloth instead of skin where cloth (N,) says so."""
    if sleeve is None:
        return surface
    albedo = np.where(cloth, sleeve.colour[:, None], surface.albedo)
    return Surface(albedo, np.where(cloth, np.float32(0), surface.gloss))


def _occlude(
    rng: np.random.Generator, picture: np.ndarray, covered: np.ndarray, visible: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    placed = place_occluder(rng, visible) if rng.random() < _OCCLUDED else None
    if placed is None:
        return picture, covered, visible
    mask, look = placed
    return np.where(mask[..., None], look, picture), covered | mask, visible & ~mask


def _composite(picture: np.ndarray, covered: np.ndarray, backdrop: np.ndarray) -> np.ndarray:
    """The oversampled picture shrunk onto the backdrop (size, size, 3), its edges blended."""
    shape = backdrop.shape[1::-1]
    front = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA)
    share = cv2.resize(covered.astype(np.float32), shape, interpolation=cv2.INTER_AREA)
    return front + backdrop * (1.0 - share[..., None])


def _develop(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """What a camera makes of it: a little blur, exposure and noise; uint8."""
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.7))
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    gain, grain = np.float32(rng.uniform(0.85, 1.12)), np.float32(rng.uniform(0.5, 5.0))
    return np.rint((image * gain + grain * noise).clip(0, 255)).astype(np.uint8)
