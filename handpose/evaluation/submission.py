"""The file that FreiHAND's evaluation server takes: `pred.json`, zipped.

`[xyz, verts]`, each a list with an entry for every evaluation image in its order: 21 x 3 joints and
778 x 3 vertices, metres, camera frame. No mesh is predicted here, so all vertices are zeros and the
server's mesh scores mean nothing.
"""

import json
import zipfile
from pathlib import Path

from handpose.data.base import HandDataset
from handpose.evaluation.evaluation import Evaluation

OFFICIAL_LENGTH = 3960  # images in FreiHAND's evaluation/rgb
_NO_MESH = json.dumps([[0, 0, 0]] * 778, separators=(",", ":"))
_DIGITS = 6  # micrometres


def check_submission(path: Path, dataset: HandDataset, *, any_length: bool) -> None:
    """Refuses what cannot become a submission, before the work is done.

    Raises:
        ValueError: it is not the whole of FreiHAND's evaluation images, or `path` has no folder.
    """
    if dataset.name != "freihand":
        raise ValueError(
            f"--submission: the server is FreiHAND's, and this is {dataset.name}: dataset=freihand"
        )
    if dataset.split != "test":
        raise ValueError("--submission: FreiHAND's evaluation images are not on this disk")
    if len(dataset) != OFFICIAL_LENGTH and not any_length:
        raise ValueError(
            f"--submission: FreiHAND has {OFFICIAL_LENGTH} evaluation images, and here are "
            f"{len(dataset)} (trainer=debug caps them); --any-length takes them all the same"
        )
    if not path.parent.is_dir():
        raise ValueError(f"--submission {path}: {path.parent} is no directory")


def write_submission(path: Path, evaluation: Evaluation) -> None:
    """Writes the hands in the camera's frame, in metres, the scale bone's length granted.

    The entries are in the order of the images, whatever the order of the evaluation. The file is
    there whole or not at all, and the same hands again give the same bytes.
    """
    xyz = evaluation.camera_xyz[evaluation.index.argsort()] / 1000
    hands = [[[round(c, _DIGITS) for c in joint] for joint in hand] for hand in xyz.tolist()]
    joints = json.dumps(hands, allow_nan=False, separators=(",", ":"))
    content = f"[{joints},[{','.join([_NO_MESH] * len(hands))}]]"
    partial = path.with_name(f".{path.name}.partial")
    with zipfile.ZipFile(partial, "w") as file:
        entry = zipfile.ZipInfo("pred.json")  # dated 1980, so that the bytes are the same again
        file.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
    partial.replace(path)
