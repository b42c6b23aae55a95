"""The file for the evaluation servers of FreiHAND and HO-3D: `pred.json`, zipped.

`[xyz, verts]`, each a list with an entry per evaluation image in their order: 21 x 3 joints and
778 x 3 vertices, metres, in the dataset's camera frame and joint order. No mesh is predicted, so
all vertices are zeros and the mesh scores of the server are meaningless.
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handpose.data.base import HandDataset
from handpose.data.sources import ho3d
from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.joint_errors import at_root_depth
from handpose.files import replacing

_NO_MESH = json.dumps([[0, 0, 0]] * 778, separators=(",", ":"))
_DIGITS = 6  # micrometres


def _freihand(e: Evaluation) -> np.ndarray:
    """Our frame and order; the length of the scale bone is granted."""
    return e.camera_xyz.numpy() / 1000


def _ho3d(e: Evaluation) -> np.ndarray:
    """OpenGL's frame and MANO's order; the wrist's depth, which is given, is granted."""
    return ho3d.to_theirs(at_root_depth(e).numpy() / 1000)


class Challenge(NamedTuple):
    """The evaluation server of a dataset."""

    title: str
    lengths: Mapping[str, int]  # number of its evaluation images, of each layout
    joints: Callable[[Evaluation], np.ndarray]  # (N, 21, 3) metres, in its frame and order


CHALLENGES = {
    "freihand": Challenge("FreiHAND", {"": 3960}, _freihand),
    "ho3d": Challenge("HO-3D", {"v2": 11524, "v3": 20137}, _ho3d),
}


def check_submission(path: Path, dataset: HandDataset, *, any_length: bool) -> None:
    """Refuses what cannot be submitted, before the work is done.

    Args:
        path: the file to write.
        dataset: what is evaluated.
        any_length: whether it may be a part of the evaluation images.

    Raises:
        ValueError: it is not all evaluation images of a dataset with a server, or `path` has no
            folder.
    """
    challenge = CHALLENGES.get(dataset.name)
    if challenge is None:
        titles = " and ".join(known.title for known in CHALLENGES.values())
        choices = " or ".join(f"dataset={name}" for name in CHALLENGES)
        raise ValueError(
            f"--submission: the servers are for {titles}, not {dataset.name}. Use {choices}"
        )
    if dataset.split != "test":
        raise ValueError(f"--submission: {challenge.title}'s evaluation images are missing")
    layout = getattr(getattr(dataset, "index", None), "layout", "")
    length = challenge.lengths[layout]
    if len(dataset) != length and not any_length:
        raise ValueError(
            f"--submission: {' '.join([challenge.title, layout]).strip()} has {length} evaluation "
            f"images, found {len(dataset)} (trainer=debug caps them). Add --any-length to write "
            "them anyway"
        )
    if not path.parent.is_dir():
        raise ValueError(f"--submission {path}: {path.parent} is not a directory")


def write_submission(path: Path, evaluation: Evaluation, *, dataset: str) -> None:
    """Writes the hands as the dataset's server reads them.

    The entries are in the order of the images. The file is written atomically, and the same hands
    give the same bytes.

    Args:
        path: the zip file.
        evaluation: of the evaluation images.
        dataset: name of the dataset, one of `CHALLENGES`.
    """
    xyz = CHALLENGES[dataset].joints(evaluation)[evaluation.index.argsort().numpy()]
    hands = [[[round(c, _DIGITS) for c in joint] for joint in hand] for hand in xyz.tolist()]
    joints = json.dumps(hands, allow_nan=False, separators=(",", ":"))
    content = f"[{joints},[{','.join([_NO_MESH] * len(hands))}]]"
    with replacing(path) as partial, zipfile.ZipFile(partial, "w") as file:
        entry = zipfile.ZipInfo("pred.json")  # dated 1980, for the same bytes every time
        file.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
