"""Labels of two hands in the world frame, as InterHand2.6M and AssemblyHands have them.

42 joints in mm: the right hand's first, each finger from the tip in, the wrist last.
"""

from typing import Any, NamedTuple

import numpy as np

from handpose.data.index.collector import Annotation, as_array
from handpose.skeleton import INTERHAND_ORDER, NUM_JOINTS

_MM = 1000  # per metre


class WorldCamera(NamedTuple):
    """A camera in the world frame: X_cam = rotation X_world + translation."""

    K: np.ndarray  # (3, 3)
    rotation: np.ndarray  # (3, 3)
    translation: np.ndarray  # (3,) mm


def world_joints(value: Any) -> np.ndarray:
    """Convert the joints of both hands to (42, 3) float32, mm.

    Raises:
        ValueError: they are not numbers, or have another shape.
    """
    return as_array(value, 2 * NUM_JOINTS, 3).astype(np.float32)


def valid_joints(value: Any) -> np.ndarray:
    """Convert a flag for each joint of both hands to (42,) bool.

    Raises:
        ValueError: their number is another one.
    """
    valid = np.asarray(value, dtype=float).reshape(-1) > 0
    if valid.shape != (2 * NUM_JOINTS,):
        raise ValueError(f"joint_valid has {len(valid)} entries, not {2 * NUM_JOINTS}")
    return valid


def own_joints(is_left: bool) -> np.ndarray:
    """Return the places (21,) of a hand's joints among the 42, in our order."""
    return (NUM_JOINTS if is_left else 0) + np.array(INTERHAND_ORDER)


def hand_labels(
    world: np.ndarray, valid: np.ndarray, camera: WorldCamera, *, is_left: bool
) -> Annotation:
    """Return the labels of one hand before a camera.

    Args:
        world: (42, 3) mm, as of `world_joints`.
        valid: (42,) bool, as of `valid_joints`.
        camera: of the image.
        is_left: side of the hand.
    """
    own = own_joints(is_left)
    xyz = (world[own] @ camera.rotation.T + camera.translation) / _MM
    return Annotation(xyz=xyz, xyz_valid=valid[own], K=camera.K)
