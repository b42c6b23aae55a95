"""The file for FreiHAND's evaluation server: `pred.json`, zipped.

`[xyz, verts]`, each a list with an entry per evaluation image in their order: 21 x 3 joints and
778 x 3 vertices, metres, camera frame. No mesh is predicted, so all vertices are zeros and the
mesh scores of the server are meaningless.
"""

import json
import zipfile
from pathlib import Path

from handpose.data.base import HandDataset
from handpose.evaluation.evaluation import Evaluation
from handpose.files import replacing

OFFICIAL_LENGTH = 3960  # images in FreiHAND's evaluation/rgb
_NO_MESH = json.dumps([[0, 0, 0]] * 778, separators=(",", ":"))
_DIGITS = 6  # micrometres


def check_submission(path: Path, dataset: HandDataset, *, any_length: bool) -> None:
    """Refuses what cannot be submitted, before the work is done.

    Args:
        path: the file to write.
        dataset: what is evaluated.
        any_length: whether it may be a part of the evaluation images.

    Raises:
        ValueError: it is not all of FreiHAND's evaluation images, or `path` has no folder.
    """
    if dataset.name != "freihand":
        raise ValueError(
            f"--submission: the server is for FreiHAND, not {dataset.name}. Use dataset=freihand"
        )
    if dataset.split != "test":
        raise ValueError("--submission: FreiHAND's evaluation images are missing")
    if len(dataset) != OFFICIAL_LENGTH and not any_length:
        raise ValueError(
            f"--submission: FreiHAND has {OFFICIAL_LENGTH} evaluation images, found "
            f"{len(dataset)} (trainer=debug caps them). Add --any-length to write them anyway"
        )
    if not path.parent.is_dir():
        raise ValueError(f"--submission {path}: {path.parent} is not a directory")


def write_submission(path: Path, evaluation: Evaluation) -> None:
    """Writes the hands in the camera frame, in metres, with the scale bone's length granted.

    The entries are in the order of the images. The file is written atomically, and the same hands
    give the same bytes.

    Args:
        path: the zip file.
        evaluation: of FreiHAND's evaluation images.
    """
    xyz = evaluation.camera_xyz[evaluation.index.argsort()] / 1000
    hands = [[[round(c, _DIGITS) for c in joint] for joint in hand] for hand in xyz.tolist()]
    joints = json.dumps(hands, allow_nan=False, separators=(",", ":"))
    content = f"[{joints},[{','.join([_NO_MESH] * len(hands))}]]"
    with replacing(path) as partial, zipfile.ZipFile(partial, "w") as file:
        entry = zipfile.ZipInfo("pred.json")  # dated 1980, for the same bytes every time
        file.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
