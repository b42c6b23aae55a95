"""The look of skin and cloth: markings on the hand at rest, materials, and shading.

The hand at rest is flat, so x and y index its palmar and its dorsal side. Shading is
in the camera frame: the viewer looks along +z. N visible points, each of which is a column, because
NumPy is slow along an axis of three.
"""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.lights import Lighting
from handpose.data.synthetic.mesh import REST, chain_radius
from handpose.data.synthetic.person import Ring, Skin


def _rgb(red: float, green: float, blue: float) -> np.ndarray:
    return np.array([[red], [green], [blue]], dtype=np.float32)


_RESOLUTION = 1250.0  # px per metre of the markings
_LOW, _HIGH = np.array([-0.074, -0.110]), np.array([0.112, 0.202])
_COLUMNS, _ROWS = np.ceil((_HIGH - _LOW) * _RESOLUTION).astype(int).tolist()
MARKINGS_SHAPE: tuple[int, int] = (_ROWS, _COLUMNS)  # along y and x
_PALM_LINES = [  # mm, hand frame
    [(-39, 60), (-26, 66), (-10, 68), (4, 74), (13, 84)],
    [(33, 67), (20, 65), (2, 58), (-14, 50), (-27, 42)],
    [(33, 66), (20, 62), (9, 52), (4, 38), (4, 24), (9, 12)],
    [(-24, -3), (0, -5), (24, -3)],
    [(-22, -8), (0, -10), (22, -8)],
]
_WRAP = _rgb(0.32, 0.2, 0.16)  # light that seeps around skin, most of it red
_FLUSH = _rgb(0.05, 0.75, 0.7)  # what redness takes from each colour
_FOLD = _rgb(0.8, 1.0, 1.0)  # and a crease
_BLOTCH = _rgb(0.6, 1.0, 1.0)  # and mottling
_EXPOSURE = 1.4  # of a film that saturates gently
_METAL_GLOSS = 0.9
_CREVICE = 0.006  # metres behind the surroundings that get almost no light


class Surface(NamedTuple):
    """The material at the visible points."""

    albedo: np.ndarray  # (3, N) float32 linear RGB
    gloss: np.ndarray  # (N,) float32


def skin_surface(skin: Skin, rest: np.ndarray, rest_normal_z: np.ndarray) -> Surface:
    """Compute the skin's material at visible points.

    Args:
        skin: the person's skin.
        rest: (2, N) x and y of the points at rest, metres.
        rest_normal_z: (N,) z of their normals at rest.
    """
    place = _marking_index(rest)
    palmar = np.clip(0.5 + 1.6 * rest_normal_z, 0.0, 1.0)
    front, back = np.take(_markings(), place, axis=2)
    crease, red, nail = back + palmar * (front - back)
    albedo = skin.back[:, None] + palmar * (skin.palm - skin.back)[:, None]
    albedo += (skin.nail[:, None] - albedo) * nail
    albedo *= 1 - (skin.redness * red * (1 - nail)) * _FLUSH
    albedo *= 1 - (skin.crease * crease) * _FOLD
    albedo *= 1 + skin.mottling.ravel()[place] * _BLOTCH
    gloss = skin.gloss * (1 + 3 * nail)
    return Surface(albedo, gloss) if skin.ring is None else _ringed(albedo, gloss, skin.ring, rest)


def _ringed(albedo: np.ndarray, gloss: np.ndarray, ring: Ring, rest: np.ndarray) -> Surface:
    """Return the material with a ring around a finger, points at `rest` (2, N)."""
    base, end = REST.joints[1 + 4 * ring.chain :][:2, :2]
    length = np.linalg.norm(end - base)
    along, across = (end - base) / length, np.array([base[1] - end[1], end[0] - base[0]]) / length
    offset = rest - base.astype(np.float32)[:, None]
    near = np.abs(along @ offset - ring.place * length) < ring.width / 2
    band = near & (np.abs(across @ offset) < 1.25 * chain_radius(ring.chain, 0))
    shiny = np.where(band, np.float32(_METAL_GLOSS), gloss)
    return Surface(np.where(band, ring.colour[:, None], albedo), shiny)


def shade(
    surface: Surface,
    normals: np.ndarray,
    openness: np.ndarray,
    lighting: Lighting,
    shadow: np.ndarray | None = None,
) -> np.ndarray:
    """Compute the colours (3, N), sRGB in 0..255, of visible points.

    Args:
        surface: their material.
        normals: (3, N) unit, camera frame.
        openness: (N,) in 0..1, to ambient light.
        lighting: all lights.
        shadow: (N,) in 0..1, what is missing of the key light; None: nothing.
    """
    light = openness * (0.8 - 0.2 * normals[1]) * lighting.ambient[:, None]
    shine = np.zeros_like(openness)
    for number, source in enumerate(lighting.lights):
        wrapped = np.maximum((source.direction @ normals + _WRAP) / (1 + _WRAP), 0.0)
        if shadow is not None and number == 0:
            wrapped *= 1 - shadow
        light += wrapped * (0.4 + 0.6 * openness) * source.colour[:, None]
        half = source.direction - np.array([0.0, 0.0, 1.0], dtype=np.float32)
        sheen = np.maximum(half / np.linalg.norm(half) @ normals, 0.0) ** 16
        shine += sheen if shadow is None or number else sheen * (1 - shadow)
    colour = surface.albedo * light + surface.gloss * shine
    return 255.0 * np.sqrt(1.0 - np.exp(-_EXPOSURE * colour))


def crevices(depth: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Compute how open each point is to ambient light; points behind their surroundings are dark.

    Args:
        depth: (S, S) metres, 0 where not covered.
        covered: (S, S) bool.

    Returns:
        (S, S) float32 in 0..1.
    """
    weight = covered.astype(np.float32)
    openness = np.ones_like(depth)
    for width in (0.02, 0.05):
        side = 2 * int(width * depth.shape[0]) + 1
        around = cv2.blur(depth, (side, side)) / np.maximum(cv2.blur(weight, (side, side)), 1e-6)
        openness -= 0.4 * np.clip((depth - around) / _CREVICE, 0.0, 1.0)
    return openness


def _marking_index(rest: np.ndarray) -> np.ndarray:
    """Return (N,) flat index into a map of MARKINGS_SHAPE for points (2, N), metres; clipped."""
    low = _LOW.astype(np.float32)
    column, row = (((rest[i] - low[i]) * _RESOLUTION).astype(np.int32) for i in (0, 1))
    return row.clip(0, _ROWS - 1) * _COLUMNS + column.clip(0, _COLUMNS - 1)


@cache
def _markings() -> np.ndarray:
    """Return (2, 3, rows * columns) float32 in 0..1: palm and back; crease, redness, nail."""
    sides = []
    for paint in (_paint_palm, _paint_back):
        crease, red, nail = (np.zeros(MARKINGS_SHAPE, dtype=np.uint8) for _ in range(3))
        paint(crease, red, nail)
        layers = zip((crease, red, nail), (0.7, 6.0, 0.6), strict=True)
        sides.append(np.stack([cv2.GaussianBlur(layer, (0, 0), sigma) for layer, sigma in layers]))
    return (np.stack(sides).astype(np.float32) / 255).reshape(2, 3, -1)


def _paint_palm(crease: np.ndarray, red: np.ndarray, _: np.ndarray) -> None:
    for line in _PALM_LINES:
        _stroke(crease, _smooth_line(1e-3 * np.array(line, dtype=float)), 2, 255)
    for chain in range(5):
        places = [(0, 0.98), (1, 1.0)] if chain == 0 else [(0, 0.5), (0, 0.97), (0, 1.03), (1, 1.0)]
        for bone, t in places:
            _stroke(crease, _ring(chain, bone, t, 1.0), 2, 200)
        _blob(red, _ring(chain, 2, 0.75, 1.0).mean(axis=0), 9, 255)
    for centre in ([0.030, 0.035], [-0.030, 0.030], [-0.005, 0.080]):
        _blob(red, np.array(centre), 14, 150)


def _paint_back(crease: np.ndarray, red: np.ndarray, nail: np.ndarray) -> None:
    for chain in range(5):
        for t in (0.93, 1.0, 1.07):
            _stroke(crease, _ring(chain, 0, t, -0.7), 1, 170)
        for t in (0.96, 1.04):
            _stroke(crease, _ring(chain, 1, t, -0.7), 1, 130)
        for bone, t in ((0, 0.0), (0, 1.0), (1, 1.0), (2, 0.6)):
            _blob(red, _ring(chain, bone, t, -1.0).mean(axis=0), 9, 220)
        root, edge = _ring(chain, 2, 0.42, -0.62), _ring(chain, 2, 1.0, -0.55)
        cv2.fillPoly(nail, [_pixels(np.concatenate([root, edge[::-1]]))], 255, cv2.LINE_AA)
        _stroke(crease, np.concatenate([edge[:1], root, edge[-1:]]), 1, 140)


def _ring(chain: int, bone: int, t: float, reach: float) -> np.ndarray:
    """Return (13, 2) metres: an arc over a finger at the part t of a bone.

    reach: 1 spans the half that its pad is on, -1 its back, less a part of it.
    """
    joints, frame = REST.joints[1 + 4 * chain :][bone : bone + 2], REST.frames[chain, bone]
    angle = np.linspace(-1.45, 1.45, 13) * abs(reach)
    facing = np.sign(reach) * frame[:, 2]
    out = np.outer(np.sin(angle), frame[:, 0]) + np.outer(np.cos(angle), facing)
    centre = joints[0] + t * (joints[1] - joints[0])
    return (centre + chain_radius(chain, bone) * out)[:, :2]


def _pixels(xy: np.ndarray) -> np.ndarray:
    return np.round((xy - _LOW) * _RESOLUTION).astype(np.int32)


def _stroke(image: np.ndarray, xy: np.ndarray, width: int, value: int) -> None:
    cv2.polylines(image, [_pixels(xy)], False, value, width, cv2.LINE_AA)


def _blob(image: np.ndarray, xy: np.ndarray, radius_mm: int, value: int) -> None:
    cv2.circle(image, _pixels(xy).tolist(), int(radius_mm * _RESOLUTION / 1000), value, -1)


def _smooth_line(points: np.ndarray) -> np.ndarray:
    """Return (40, 2) a cubic along points (N, 2)."""
    t, fine = np.linspace(0.0, 1.0, len(points)), np.linspace(0.0, 1.0, 40)
    degree = min(3, len(t) - 1)
    return np.stack([np.polyval(np.polyfit(t, xs, degree), fine) for xs in points.T], axis=1)
