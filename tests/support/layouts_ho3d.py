"""HO-3D v2 and v3 in small: rendered hands in its official layout, frame and joint order."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from layouts import Rendered, rendered, save_picture, write_json
from python2_pickles import python2_pickle

from handpose.skeleton import MANO_ORDER

TRAIN = ("ABF10", "ABF11", "MC1", "SS2")
EVALUATION = ("SM1", "AP12")
SIDE = 128


def write_ho3d(
    root: Path,
    *,
    version: str = "v2",
    train: tuple[str, ...] = TRAIN,
    frames: int = 3,
    with_joints: bool = True,
) -> None:
    """`frames` frames of each sequence, and one more in training that has no joints."""
    suffix = {"v2": "png", "v3": "jpg"}[version]
    for number, (name, sequences) in enumerate((("train", train), ("evaluation", EVALUATION))):
        lines, joints, meshes = [], [], []
        for place, sequence in enumerate(sequences):
            for frame in range(frames + (name == "train")):
                hand = rendered(5000 + 500 * number + 20 * place + frame, SIDE)
                folder = root / name / sequence
                save_picture(folder / f"rgb/{frame:04d}.{suffix}", hand.image)
                meta = meta_of(hand, is_training=name == "train")
                if frame == frames:
                    meta |= {"handJoints3D": None, "handPose": None, "objRot": None}
                write_meta(folder / f"meta/{frame:04d}.pkl", meta, version)
                lines.append(f"{sequence}/{frame:04d}")
                joints.append(theirs(hand.xyz).tolist())
                meshes.append([[0.0, 0.0, -0.5]] * 778)
        (root / f"{name}.txt").write_text("\n".join(lines) + "\n")
    if with_joints:
        write_json(root / "evaluation_xyz.json", joints)
        write_json(root / "evaluation_verts.json", meshes)


def theirs(xyz: np.ndarray) -> np.ndarray:
    """Our joints (21, 3) in MANO's order and OpenGL's frame."""
    joints = np.empty((21, 3))
    joints[list(MANO_ORDER)] = xyz * [1, -1, -1]
    return joints


def meta_of(hand: Rendered, *, is_training: bool = True) -> dict[str, Any]:
    """The content of a frame's pickle."""
    low, high = hand.uv.min(axis=0) - 3, hand.uv.max(axis=0) + 3
    joints = theirs(hand.xyz)
    meta: dict[str, Any] = {
        "handJoints3D": joints if is_training else joints[0],
        "camMat": hand.K,
        "objName": "021_bleach_cleanser",
        "objLabel": 12,
        "objTrans": np.zeros(3, np.float32),
        "objRot": np.zeros((3, 1)),
    }
    if is_training:
        return meta | {"handPose": np.zeros(48), "handBeta": np.zeros(10), "handTrans": np.zeros(3)}
    return meta | {"handBoundingBox": [float(value) for value in (*low, *high)]}


def write_meta(path: Path, meta: Any, version: str = "v2") -> None:
    """As Python 2 writes it (v2), or Python 3 (v3)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(python2_pickle(meta) if version == "v2" else pickle.dumps(meta, 2))
