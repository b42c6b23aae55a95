"""What surrounds a hand, drawn as numbers before any pixel: camera, light, skin, sleeve.

Camera frame: x right, y down, z forward, metres. Image: px, integers are pixel centres.
"""

from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.anatomy import rotation_x, rotation_y, rotation_z

# Largest tilt of the camera away from facing palm or back, and largest roll in the image, degrees.
_RANGES = {"frontal": (25.0, 15.0), "upright": (50.0, 30.0)}
ORIENTATIONS = (*_RANGES, "any")
_FILL = (0.60, 0.80)  # the silhouette's longer side over the frame's
_DEPTH = (0.45, 0.90)  # metres to the wrist
_DEPTH_IN_BONES = (4.8, 13.5)  # the same, in lengths of wrist to index MCP
_MAX_FOREARM_TO_CAMERA = 0.9  # cosine of the angle between them

_TONES = np.array(  # sRGB, from very light to very dark
    [
        *([250, 216, 196], [238, 194, 166], [224, 172, 138], [198, 142, 106]),
        *([164, 110, 78], [122, 78, 54], [88, 56, 40], [62, 40, 30]),
    ]
)


class Light(NamedTuple):
    """One directional light."""

    direction: np.ndarray  # (3,) unit, from the surface to the light, camera frame
    colour: np.ndarray  # (3,) linear RGB


class Lighting(NamedTuple):
    """All the light there is."""

    ambient: np.ndarray  # (3,) linear RGB
    lights: list[Light]


class Skin(NamedTuple):
    """How one person's skin looks; colours linear RGB."""

    back: np.ndarray  # (3,)
    palm: np.ndarray  # (3,)
    nail: np.ndarray  # (3,)
    crease: float
    redness: float
    mottling: np.ndarray  # (rows, columns) float32 about 0, a pattern over the hand at rest
    gloss: float


class Sleeve(NamedTuple):
    """A sleeve on the forearm."""

    start: float  # metres, y in the hand frame at rest
    looseness: float  # metres
    folds: np.ndarray  # (R, A) in 0..1
    colour: np.ndarray  # (3,) linear RGB


def linear(srgb: np.ndarray) -> np.ndarray:
    """Linear light in 0..1, float32, of sRGB values in 0..255 (gamma 2, which `shading` undoes)."""
    return ((srgb / 255.0) ** 2).astype(np.float32)


def sample_view(rng: np.random.Generator, orientation: str) -> np.ndarray:
    """(3, 3) rotation from the hand frame to the camera frame."""
    if orientation == "any":
        return _unhidden_rotation(rng)
    if orientation not in _RANGES:
        raise ValueError(f"orientation is {orientation!r}; choose one of {', '.join(ORIENTATIONS)}")
    facing = np.diag([1.0, -1.0, -1.0])  # the palm looks at the camera, fingers up
    turned = facing @ rotation_y(np.pi * (rng.random() < 0.5))
    max_tilt, max_roll = np.radians(_RANGES[orientation])
    tilt, about = max_tilt * np.sqrt(rng.random()), rng.uniform(-np.pi, np.pi)
    tilted = rotation_z(about) @ rotation_x(tilt) @ rotation_z(-about) @ turned
    return rotation_z(rng.uniform(-max_roll, max_roll)) @ tilted


def sample_depth(rng: np.random.Generator, bone: float) -> float:
    """Metres from the camera to the wrist of a hand whose wrist to index MCP measures `bone`."""
    low, high = (bone * ratio for ratio in _DEPTH_IN_BONES)
    return float(np.clip(rng.uniform(*_DEPTH), low, high))


def sample_framing(rng: np.random.Generator, rays: np.ndarray, size: int) -> np.ndarray:
    """(3, 3) float32 K that frames a hand of rays x / z, y / z (N, 2) in `size` px."""
    low, high = rays.min(axis=0), rays.max(axis=0)
    fill = rng.uniform(*_FILL)
    focal = fill * size / (high - low).max()
    slack = 0.5 * size * (1.0 - fill) * rng.uniform(-0.8, 0.8, 2)
    centre = (size - 1) / 2 + slack - focal * (low + high) / 2
    return np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]], dtype=np.float32)


def sample_lighting(rng: np.random.Generator) -> Lighting:
    """A key light, often a weaker second one, and ambient light, each with its own tint."""
    ambient = rng.uniform(0.18, 0.5) * _tint(rng)
    key = Light(_light_direction(rng), rng.uniform(0.55, 1.0) * _tint(rng))
    lights = [key]
    if rng.random() < 0.6:
        lights.append(Light(_light_direction(rng), rng.uniform(0.1, 0.4) * _tint(rng)))
    return Lighting(ambient, lights)


def sample_skin(rng: np.random.Generator, shape: tuple[int, int]) -> Skin:
    """A person's skin, its mottling a pattern of `shape`."""
    tone = sample_tone(rng)
    back = linear(tone)
    dark = 1.0 - tone.mean() / 255.0
    palm = back * (1.0 + rng.uniform(0.0, 0.15)) + linear(np.array([150, 105, 90])) * dark**2 * 0.8
    nail = 0.55 * palm + linear(np.array([215, 165, 155])) * rng.uniform(0.3, 0.55)
    crease, redness, gloss = rng.uniform([0.25, 0.10, 0.02], [0.55, 0.35, 0.12]).tolist()
    mottling = np.float32(rng.uniform(0.03, 0.09)) * smooth_noise(rng, shape, (14, 50))
    return Skin(back, palm, nail, crease, redness, mottling, gloss)


def sample_tone(rng: np.random.Generator) -> np.ndarray:
    """(3,) sRGB in 0..255 of some skin."""
    place = rng.uniform(0.0, len(_TONES) - 1.0)
    tone = np.array([np.interp(place, np.arange(len(_TONES)), channel) for channel in _TONES.T])
    return (tone * rng.uniform([0.96, 0.95, 0.9], [1.04, 1.04, 1.08])).clip(0, 255)


def sample_sleeve(rng: np.random.Generator) -> Sleeve | None:
    """A sleeve of any colour, or none."""
    if rng.random() < 0.45:
        return None
    start = -0.012 - 0.09 * rng.random() ** 1.5
    colour = linear(rng.uniform(10, 245, 3) * rng.uniform(0.4, 1.0))
    return Sleeve(start, rng.uniform(0.003, 0.009), rng.random((6, 7)), colour)


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, ...]
) -> np.ndarray:
    """(rows, columns) float32 around 0, of variance about 1: noise of each number of cells."""
    total = np.zeros(shape, dtype=np.float32)
    for count in cells:
        total += cv2.resize(rng.standard_normal((count, count), dtype=np.float32), shape[::-1])
    return total / np.float32(np.sqrt(len(cells)))


def _tint(rng: np.random.Generator) -> np.ndarray:
    return (1.0 + rng.uniform(-0.12, 0.12) * np.array([1.0, 0.1, -1.0])).astype(np.float32)


def _light_direction(rng: np.random.Generator) -> np.ndarray:
    """(3,) unit, from above and from the camera's side for the most part."""
    direction = np.array([rng.uniform(-1.0, 1.0), rng.uniform(-1.2, 0.4), rng.uniform(-1.2, -0.35)])
    return (direction / np.linalg.norm(direction)).astype(np.float32)


def _unhidden_rotation(rng: np.random.Generator) -> np.ndarray:
    """(3, 3) uniform, but for the forearm pointing at the camera, where it would hide the hand."""
    rotation = _random_rotation(rng)
    while rotation[2, 1] > _MAX_FOREARM_TO_CAMERA:
        rotation = _random_rotation(rng)
    return rotation


def _random_rotation(rng: np.random.Generator) -> np.ndarray:
    """(3, 3) uniform over all rotations (a random unit quaternion)."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
