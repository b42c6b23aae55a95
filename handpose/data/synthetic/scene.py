"""A posed hand before the camera: numbers before any pixel.

Camera frame: x right, y down, z forward, metres. Image: px, integers are pixel centres.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.anatomy import (
    Pose,
    Proportions,
    pose_skeleton,
    rotation,
    sample_pose,
    sample_proportions,
)
from handpose.data.synthetic.camera import Camera
from handpose.data.synthetic.domain import Draws
from handpose.data.synthetic.held_object import Grip, grip
from handpose.data.synthetic.mesh import Mesh, rest_mesh, sleeve_tube
from handpose.data.synthetic.objects import Thing
from handpose.data.synthetic.person import Person, Sleeve, sample_sleeve
from handpose.data.synthetic.skinning import FOREARM, bone_maps, skin

WRIST_END = -0.012  # metres, y at rest: the arm is below
# Largest tilt of the camera away from facing palm or back, and largest roll in the image, degrees.
_RANGES = {"frontal": (25.0, 15.0), "upright": (50.0, 30.0)}
_ORIENTATIONS = (*_RANGES, "any")
_FILL = (0.60, 0.80)  # the silhouette's longer side over the frame's
_DEPTH = (0.45, 0.90)  # metres to the wrist
_DEPTH_IN_BONES = (4.8, 13.5)  # the same, in lengths of wrist to index MCP
_MAX_FOREARM_TO_CAMERA = 0.9  # cosine of the angle between them


class Owner(IntEnum):
    """What a face belongs to."""

    HAND = 0  # with the bare arm
    SLEEVE = 1
    OBJECT = 2  # in the hand
    SECOND_HAND = 3  # with its bare arm
    SECOND_SLEEVE = 4


class PosedHand(NamedTuple):
    """A right hand before the camera: camera frame, metres."""

    joints: np.ndarray  # (21, 3) float32
    mesh: Mesh  # hand, bare arm, then the sleeve
    rest: np.ndarray  # (V, 3) float32: a vertex's x and y at rest, and its normal's z there
    owner: np.ndarray  # (F,) int8, an `Owner` for each face
    sleeve: Sleeve | None
    K: np.ndarray  # (3, 3) float32
    held: Grip | None = None  # the object in the hand, camera frame


def pose_hand(
    draws: Draws,
    size: int,
    orientation: str,
    person: Person | None = None,
    camera: Camera | None = None,
    thing: Thing | None = None,
) -> PosedHand:
    """Draw a hand, its pose, its position before the camera and the frame around it.

    Args:
        draws: generators of the image's parts.
        size: side of the frame in px.
        orientation: "frontal", "upright" or "any", see `render.render_hand`.
        person: whose hand it is; drawn if None.
        camera: what looks at it; drawn if None.
        thing: the object that it holds, which decides the pose.
    """
    rng = draws.pose
    proportions = person.proportions if person else sample_proportions(draws.person)
    pose = sample_pose(rng, proportions)
    held = None if thing is None else grip(draws.held, thing, proportions)
    angles = pose.angles if held is None else held.angles
    view = _sample_view(rng, orientation, camera)
    place = np.array([0.0, 0.0, _sample_depth(rng, proportions, camera)])
    posed, forearm = build_hand(Pose(angles, pose.wrist), proportions, view, place)
    hand = posed.mesh.vertices[rest_mesh().vertices[:, 1] > WRIST_END]
    K = _sample_framing(rng, hand[:, :2] / hand[:, 2:], size)
    if held is not None:
        held = held._replace(mesh=_moved(held.mesh, view, place))
    sleeve = _choose_sleeve(draws.person, person)
    return dress(posed._replace(K=K, held=held), sleeve, forearm)


def build_hand(
    pose: Pose, proportions: Proportions, view: np.ndarray, place: np.ndarray
) -> tuple[PosedHand, np.ndarray]:
    """Build a bare hand of known pose before the camera.

    Args:
        pose: its angles.
        proportions: build of the hand.
        view: (3, 3) from the hand frame to the camera frame. A reflection makes it a left hand.
        place: (3,) the wrist in the camera frame, metres.

    Returns:
        The hand, with the identity for K, and the forearm's map (3, 4) from rest.
    """
    skeleton = pose_skeleton(pose.angles, proportions)
    maps = view @ bone_maps(skeleton, proportions, pose.wrist)
    maps[:, :, 3] += place
    vertices, normals = skin(maps)
    rest = rest_mesh()
    joints = (skeleton.joints @ view.T + place).astype(np.float32)
    mesh = Mesh(vertices, normals, _outward(rest.faces, view))
    owner, no_camera = np.full(len(rest.faces), Owner.HAND, np.int8), np.eye(3, dtype=np.float32)
    return PosedHand(joints, mesh, _at_rest(rest), owner, None, no_camera), maps[FOREARM]


def _outward(faces: np.ndarray, view: np.ndarray) -> np.ndarray:
    """Return faces (F, 3), turned around if view (3, 3) is a reflection."""
    return faces if np.linalg.det(view) > 0 else faces[:, ::-1]


def _moved(mesh: Mesh, view: np.ndarray, place: np.ndarray) -> Mesh:
    """Return a mesh turned by view (3, 3) and moved by place (3,)."""
    vertices = (mesh.vertices @ view.T + place).astype(np.float32)
    return Mesh(vertices, (mesh.normals @ view.T).astype(np.float32), mesh.faces)


def _choose_sleeve(rng: np.random.Generator, person: Person | None) -> Sleeve | None:
    if person is None:
        return sample_sleeve(rng)
    return person.sleeves[rng.integers(len(person.sleeves))]


def _sample_depth(
    rng: np.random.Generator, proportions: Proportions, camera: Camera | None
) -> float:
    """Draw metres from the camera to the wrist."""
    low, high = (float(np.linalg.norm(proportions.bases[1])) * ratio for ratio in _DEPTH_IN_BONES)
    span = _DEPTH if camera is None else (0.95 * camera.depth, 1.05 * camera.depth)
    return float(np.clip(rng.uniform(*span), low, high))


def dress(hand: PosedHand, sleeve: Sleeve | None, forearm: np.ndarray) -> PosedHand:
    """Put a sleeve on a bare hand's arm.

    Args:
        hand: the bare hand.
        sleeve: the sleeve; None leaves the arm bare.
        forearm: (3, 4) the forearm's map from rest.
    """
    if sleeve is None:
        return hand
    tube = sleeve_tube(sleeve.start, sleeve.looseness, sleeve.folds)
    bent = tube.normals @ forearm[:, :3].T
    bent /= np.linalg.norm(bent, axis=1, keepdims=True)
    moved = tube.vertices @ forearm[:, :3].T + forearm[:, 3]
    faces = _outward(tube.faces, forearm[:, :3])
    mesh = Mesh(
        np.concatenate([hand.mesh.vertices, moved.astype(np.float32)]),
        np.concatenate([hand.mesh.normals, bent.astype(np.float32)]),
        np.concatenate([hand.mesh.faces, faces + np.int32(len(hand.mesh.vertices))]),
    )
    rest = np.concatenate([hand.rest, _at_rest(tube)])
    owner = np.concatenate([hand.owner, np.full(len(tube.faces), Owner.SLEEVE, np.int8)])
    return hand._replace(mesh=mesh, rest=rest, owner=owner, sleeve=sleeve)


def _at_rest(mesh: Mesh) -> np.ndarray:
    return np.concatenate([mesh.vertices[:, :2], mesh.normals[:, 2:]], axis=1).astype(np.float32)


def project(K: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """Project points (N, 3) in the camera frame of K (3, 3) to px (N, 2), in float32."""
    return xyz[:, :2] / xyz[:, 2:] * K[[0, 1], [0, 1]] + K[:2, 2]


def image_points(K: np.ndarray, vertices: np.ndarray, scale: float | np.float32) -> np.ndarray:
    """Project vertices to the px of an image that is `scale` times as fine as the frame.

    Args:
        K: (3, 3) camera of the frame.
        vertices: (V, 3) metres, camera frame.
        scale: px of the image per px of the frame.

    Returns:
        (V, 2), integers are pixel centres.
    """
    half = np.float32(0.5)
    return np.float32(scale) * (project(K, vertices) + half) - half


def _sample_view(
    rng: np.random.Generator, orientation: str, camera: Camera | None = None
) -> np.ndarray:
    """Draw a rotation (3, 3) from the hand frame to the camera frame."""
    if orientation == "any":
        view = random_rotation(rng)
        while view[2, 1] > _MAX_FOREARM_TO_CAMERA:  # the forearm would hide the hand
            view = random_rotation(rng)
        return view
    if orientation not in _RANGES:
        raise ValueError(
            f"orientation is {orientation!r}; choose one of {', '.join(_ORIENTATIONS)}"
        )
    facing = np.diag([1.0, -1.0, -1.0])  # the palm looks at the camera, fingers up
    turned = facing @ rotation("y", np.pi * (rng.random() < 0.5))
    max_tilt, max_roll = np.radians(_RANGES[orientation])
    fixed = camera.tilt if camera else 0.0
    tilt, about = max_tilt * (1 - fixed) * np.sqrt(rng.random()), rng.uniform(-np.pi, np.pi)
    tilted = _tilted(tilt, about) @ turned
    rolled = rotation("z", rng.uniform(-max_roll, max_roll)) @ tilted
    return _tilted(max_tilt * camera.tilt, camera.about) @ rolled if camera else rolled


def _tilted(tilt: float, about: float) -> np.ndarray:
    """Return a rotation (3, 3) by `tilt` about the axis in the image at the angle `about`."""
    return rotation("z", about) @ rotation("x", tilt) @ rotation("z", -about)


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Return a uniformly drawn rotation (3, 3) (a random unit quaternion)."""
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
