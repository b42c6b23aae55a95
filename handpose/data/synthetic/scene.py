"""A posed hand before the camera, and its light, skin and sleeve: numbers before any pixel.

Camera frame: x right, y down, z forward, metres. Image: px, integers are pixel centres.
"""

from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.anatomy import pose_skeleton, rotation, sample_pose, sample_proportions
from handpose.data.synthetic.mesh import Mesh, rest_mesh, sleeve_tube
from handpose.data.synthetic.skinning import FOREARM, bone_maps, skin

WRIST_END = -0.012  # metres, y at rest: the arm is below
# Largest tilt of the camera away from facing palm or back, and largest roll in the image, degrees.
_RANGES = {"frontal": (25.0, 15.0), "upright": (50.0, 30.0)}
_ORIENTATIONS = (*_RANGES, "any")
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
    """All lights of a scene."""

    ambient: np.ndarray  # (3,) linear RGB
    lights: list[Light]


class Skin(NamedTuple):
    """The look of one person's skin; colours linear RGB."""

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


class PosedHand(NamedTuple):
    """A right hand before the camera: camera frame, metres."""

    joints: np.ndarray  # (21, 3) float32
    mesh: Mesh  # hand, bare arm, then the sleeve
    rest: np.ndarray  # (V, 3) float32: a vertex's x and y at rest, and its normal's z there
    sleeve: Sleeve | None
    K: np.ndarray  # (3, 3) float32


def pose_hand(rng: np.random.Generator, size: int, orientation: str) -> PosedHand:
    """Draw a hand, its pose, its position before the camera and the frame around it.

    Args:
        rng: source of all randomness.
        size: side of the frame in px.
        orientation: "frontal", "upright" or "any", see `render.render_hand`.
    """
    proportions = sample_proportions(rng)
    pose = sample_pose(rng, proportions)
    skeleton = pose_skeleton(pose.angles, proportions)
    view = _sample_view(rng, orientation)
    low, high = (float(np.linalg.norm(proportions.bases[1])) * ratio for ratio in _DEPTH_IN_BONES)
    place = np.array([0.0, 0.0, float(np.clip(rng.uniform(*_DEPTH), low, high))])
    maps = view @ bone_maps(skeleton, proportions, pose.wrist)
    maps[:, :, 3] += place
    vertices, normals = skin(maps)
    rest = rest_mesh()
    hand = vertices[rest.vertices[:, 1] > WRIST_END]
    K = _sample_framing(rng, hand[:, :2] / hand[:, 2:], size)
    joints = (skeleton.joints @ view.T + place).astype(np.float32)
    posed = PosedHand(joints, Mesh(vertices, normals, rest.faces), _at_rest(rest), None, K)
    sleeve = _sample_sleeve(rng)
    return posed if sleeve is None else _dress(posed, sleeve, maps[FOREARM])


def _dress(hand: PosedHand, sleeve: Sleeve, forearm: np.ndarray) -> PosedHand:
    """Return the hand with a sleeve moved by the forearm's map (3, 4)."""
    tube = sleeve_tube(sleeve.start, sleeve.looseness, sleeve.folds)
    bent = tube.normals @ forearm[:, :3].T
    bent /= np.linalg.norm(bent, axis=1, keepdims=True)
    moved = tube.vertices @ forearm[:, :3].T + forearm[:, 3]
    mesh = Mesh(
        np.concatenate([hand.mesh.vertices, moved.astype(np.float32)]),
        np.concatenate([hand.mesh.normals, bent.astype(np.float32)]),
        np.concatenate([hand.mesh.faces, tube.faces + np.int32(len(hand.mesh.vertices))]),
    )
    rest = np.concatenate([hand.rest, _at_rest(tube)])
    return hand._replace(mesh=mesh, rest=rest, sleeve=sleeve)


def _at_rest(mesh: Mesh) -> np.ndarray:
    return np.concatenate([mesh.vertices[:, :2], mesh.normals[:, 2:]], axis=1).astype(np.float32)


def project(K: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """Project points (N, 3) in the camera frame of K (3, 3) to px (N, 2), in float32."""
    return xyz[:, :2] / xyz[:, 2:] * K[[0, 1], [0, 1]] + K[:2, 2]


def linear(srgb: np.ndarray) -> np.ndarray:
    """Convert sRGB 0..255 to linear light 0..1, float32 (gamma 2, which `shade` inverts)."""
    return ((srgb / 255.0) ** 2).astype(np.float32)


def _sample_view(rng: np.random.Generator, orientation: str) -> np.ndarray:
    """Draw a rotation (3, 3) from the hand frame to the camera frame."""
    if orientation == "any":
        view = _random_rotation(rng)
        while view[2, 1] > _MAX_FOREARM_TO_CAMERA:  # the forearm would hide the hand
            view = _random_rotation(rng)
        return view
    if orientation not in _RANGES:
        raise ValueError(
            f"orientation is {orientation!r}; choose one of {', '.join(_ORIENTATIONS)}"
        )
    facing = np.diag([1.0, -1.0, -1.0])  # the palm looks at the camera, fingers up
    turned = facing @ rotation("y", np.pi * (rng.random() < 0.5))
    max_tilt, max_roll = np.radians(_RANGES[orientation])
    tilt, about = max_tilt * np.sqrt(rng.random()), rng.uniform(-np.pi, np.pi)
    tilted = rotation("z", about) @ rotation("x", tilt) @ rotation("z", -about) @ turned
    return rotation("z", rng.uniform(-max_roll, max_roll)) @ tilted


def _random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Draw a rotation (3, 3) uniformly (a random unit quaternion)."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _sample_framing(rng: np.random.Generator, rays: np.ndarray, size: int) -> np.ndarray:
    """Draw K (3, 3) float32 that frames a hand of rays x / z, y / z (N, 2) in `size` px."""
    low, high = rays.min(axis=0), rays.max(axis=0)
    fill = rng.uniform(*_FILL)
    focal = fill * size / (high - low).max()
    slack = 0.5 * size * (1.0 - fill) * rng.uniform(-0.8, 0.8, 2)
    centre = (size - 1) / 2 + slack - focal * (low + high) / 2
    return np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]], dtype=np.float32)


def _sample_sleeve(rng: np.random.Generator) -> Sleeve | None:
    """Draw a sleeve of any colour, or none."""
    if rng.random() < 0.45:
        return None
    start = -0.012 - 0.09 * rng.random() ** 1.5
    colour = linear(rng.uniform(10, 245, 3) * rng.uniform(0.4, 1.0))
    return Sleeve(start, rng.uniform(0.003, 0.009), rng.random((6, 7)), colour)


def sample_lighting(rng: np.random.Generator) -> Lighting:
    """Draw a key light, often a weaker second one, and ambient light, all tinted."""
    ambient = rng.uniform(0.18, 0.5) * _tint(rng)
    lights = [_light(rng, 0.55, 1.0)]
    if rng.random() < 0.6:
        lights.append(_light(rng, 0.1, 0.4))
    return Lighting(ambient, lights)


def _light(rng: np.random.Generator, dimmest: float, brightest: float) -> Light:
    """Draw a light, mostly from above and from the camera's side."""
    direction = np.array([rng.uniform(-1.0, 1.0), rng.uniform(-1.2, 0.4), rng.uniform(-1.2, -0.35)])
    unit = (direction / np.linalg.norm(direction)).astype(np.float32)
    return Light(unit, rng.uniform(dimmest, brightest) * _tint(rng))


def _tint(rng: np.random.Generator) -> np.ndarray:
    return (1.0 + rng.uniform(-0.12, 0.12) * np.array([1.0, 0.1, -1.0])).astype(np.float32)


def sample_skin(rng: np.random.Generator, shape: tuple[int, int]) -> Skin:
    """Draw a person's skin; `shape` (rows, columns) is that of its mottling."""
    tone = sample_tone(rng)
    back = linear(tone)
    dark = 1.0 - tone.mean() / 255.0
    palm = back * (1.0 + rng.uniform(0.0, 0.15)) + linear(np.array([150, 105, 90])) * dark**2 * 0.8
    nail = 0.55 * palm + linear(np.array([215, 165, 155])) * rng.uniform(0.3, 0.55)
    crease, redness, gloss = rng.uniform([0.25, 0.10, 0.02], [0.55, 0.35, 0.12]).tolist()
    mottling = np.float32(rng.uniform(0.03, 0.09)) * smooth_noise(rng, shape, (14, 50))
    return Skin(back, palm, nail, crease, redness, mottling, gloss)


def sample_tone(rng: np.random.Generator) -> np.ndarray:
    """Draw a skin tone (3,), sRGB in 0..255."""
    place = rng.uniform(0.0, len(_TONES) - 1.0)
    tone = np.array([np.interp(place, np.arange(len(_TONES)), channel) for channel in _TONES.T])
    return (tone * rng.uniform([0.96, 0.95, 0.9], [1.04, 1.04, 1.08])).clip(0, 255)


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, ...]
) -> np.ndarray:
    """Draw smooth noise (rows, columns), float32 around 0, of variance about 1.

    Args:
        rng: source of all randomness.
        shape: (rows, columns).
        cells: numbers of cells per axis of the scales that are added up.
    """
    total = np.zeros(shape, dtype=np.float32)
    for count in cells:
        total += cv2.resize(rng.standard_normal((count, count), dtype=np.float32), shape[::-1])
    return total / np.float32(np.sqrt(len(cells)))
