"""Light on skin and cloth: from the visible points of a hand to their colours.

Camera frame throughout, so the viewer looks along +z. N visible points, each of which is a column:
NumPy is slow along an axis of three.
"""

from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.markings import marking_index, markings
from handpose.data.synthetic.scene import Lighting, Skin


def _rgb(red: float, green: float, blue: float) -> np.ndarray:
    return np.array([[red], [green], [blue]], dtype=np.float32)


_WRAP = _rgb(0.32, 0.2, 0.16)  # light that seeps around skin, most of it red
_FLUSH = _rgb(0.05, 0.75, 0.7)  # what redness takes from each colour
_FOLD = _rgb(0.8, 1.0, 1.0)  # and a crease
_BLOTCH = _rgb(0.6, 1.0, 1.0)  # and mottling
_EXPOSURE = 1.4  # of a film that saturates gently
_CREVICE = 0.006  # metres behind the surroundings where hardly any light arrives


class Surface(NamedTuple):
    """The material at the visible points."""

    albedo: np.ndarray  # (3, N) float32 linear RGB
    gloss: np.ndarray  # (N,) float32


def skin_surface(skin: Skin, rest: np.ndarray, rest_normal_z: np.ndarray) -> Surface:
    """Skin at points given where they are at rest (2, N) and which way they face there (N,)."""
    place = marking_index(rest)
    palmar = np.clip(0.5 + 1.6 * rest_normal_z, 0.0, 1.0)
    front, back = np.take(markings(), place, axis=2)
    crease, red, nail = back + palmar * (front - back)
    albedo = skin.back[:, None] + palmar * (skin.palm - skin.back)[:, None]
    albedo += (skin.nail[:, None] - albedo) * nail
    albedo *= 1 - (skin.redness * red * (1 - nail)) * _FLUSH
    albedo *= 1 - (skin.crease * crease) * _FOLD
    albedo *= 1 + skin.mottling.ravel()[place] * _BLOTCH
    return Surface(albedo, skin.gloss * (1 + 3 * nail))


def shade(
    surface: Surface, normals: np.ndarray, openness: np.ndarray, lighting: Lighting
) -> np.ndarray:
    """(3, N) sRGB in 0..255; unit normals (3, N), openness to ambient light (N,) in 0..1."""
    light = openness * (0.8 - 0.2 * normals[1]) * lighting.ambient[:, None]
    shine = np.zeros_like(openness)
    for source in lighting.lights:
        wrapped = np.maximum((source.direction @ normals + _WRAP) / (1 + _WRAP), 0.0)
        light += wrapped * (0.4 + 0.6 * openness) * source.colour[:, None]
        half = source.direction - np.array([0.0, 0.0, 1.0], dtype=np.float32)
        shine += np.maximum(half / np.linalg.norm(half) @ normals, 0.0) ** 16
    colour = surface.albedo * light + surface.gloss * shine
    return 255.0 * np.sqrt(1.0 - np.exp(-_EXPOSURE * colour))


def crevices(depth: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """(S, S) float32 in 0..1, how open each point is: those behind their surroundings are dark.

    depth (S, S) metres, 0 where not covered (S, S).
    """
    weight = covered.astype(np.float32)
    openness = np.ones_like(depth)
    for width in (0.02, 0.05):
        side = 2 * int(width * depth.shape[0]) + 1
        around = cv2.blur(depth, (side, side)) / np.maximum(cv2.blur(weight, (side, side)), 1e-6)
        openness -= 0.4 * np.clip((depth - around) / _CREVICE, 0.0, 1.0)
    return openness
