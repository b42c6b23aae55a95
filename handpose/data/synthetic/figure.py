"""A posed right hand before the camera: bones, skin, sleeve and the frame around them."""

from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.anatomy import sample_proportions
from handpose.data.synthetic.pose import pose_skeleton, sample_pose
from handpose.data.synthetic.scene import (
    Sleeve,
    sample_depth,
    sample_framing,
    sample_sleeve,
    sample_view,
)
from handpose.data.synthetic.skinning import FOREARM, bone_maps, skin
from handpose.data.synthetic.template import Mesh, rest_mesh
from handpose.data.synthetic.tube import sleeve_tube

WRIST_END = -0.012  # metres, y at rest: what lies below is the arm


class PosedHand(NamedTuple):
    """A right hand before the camera: camera frame, metres."""

    joints: np.ndarray  # (21, 3) float32
    mesh: Mesh  # hand, bare arm, then the sleeve
    rest: np.ndarray  # (V, 3) float32: a vertex's x and y at rest, and its normal's z there
    sleeve: Sleeve | None
    K: np.ndarray  # (3, 3) float32


def pose_hand(rng: np.random.Generator, size: int, orientation: str) -> PosedHand:
    """Draw a hand, its pose, its place before the camera and the frame of `size` px around it."""
    proportions = sample_proportions(rng)
    pose = sample_pose(rng, proportions)
    skeleton = pose_skeleton(pose.angles, proportions)
    view = sample_view(rng, orientation)
    place = np.array([0.0, 0.0, sample_depth(rng, float(np.linalg.norm(proportions.bases[1])))])
    maps = view @ bone_maps(skeleton, proportions, pose.wrist)
    maps[:, :, 3] += place
    vertices, normals = skin(maps)
    rest = rest_mesh()
    hand = vertices[rest.vertices[:, 1] > WRIST_END]
    K = sample_framing(rng, hand[:, :2] / hand[:, 2:], size)
    joints = (skeleton.joints @ view.T + place).astype(np.float32)
    posed = PosedHand(joints, Mesh(vertices, normals, rest.faces), _at_rest(rest), None, K)
    sleeve = sample_sleeve(rng)
    return posed if sleeve is None else _dress(posed, sleeve, maps[FOREARM])


def _dress(hand: PosedHand, sleeve: Sleeve, forearm: np.ndarray) -> PosedHand:
    """The hand with a sleeve carried by the forearm's map (3, 4)."""
    tube = Mesh(*sleeve_tube(sleeve.start, sleeve.looseness, sleeve.folds))
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
    """(N, 2) px of points (N, 3) in the camera frame of K (3, 3)."""
    return xyz[:, :2] / xyz[:, 2:] * K[[0, 1], [0, 1]] + K[:2, 2]
