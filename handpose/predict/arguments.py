"""Arguments of a prediction, checked before torch is imported."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from handpose.files import LARGEST_STREAM, regular

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
_CAMERA = "camera:"
# Metres from a wrist to a knuckle: from a small child's to beyond the largest adult's.
_SCALES = (0.03, 0.15)


class Input(NamedTuple):
    """What to predict on."""

    kind: Literal["images", "video", "camera"]
    paths: tuple[Path, ...] = ()  # of the images, or of the one video
    camera: int = 0
    others: int = 0  # files of a folder that are no images by their names
    root: Path | None = None  # the folder that holds `paths`, at any depth


def find_input(text: str, *, recursive: bool = False) -> Input:
    """Finds an image, a folder of images, a video, or `camera:0`.

    Args:
        text: as typed.
        recursive: include the images of subfolders.

    Raises:
        ValueError: it does not exist, or holds no image.
    """
    if text.startswith(_CAMERA):
        number = text.removeprefix(_CAMERA)
        if not number.isdecimal():
            raise ValueError(f"{text}: write a camera as camera:0, with its number")
        return Input("camera", camera=int(number))
    path = Path(text)
    if path.is_dir():
        return _folder(path, recursive=recursive)
    if not path.exists():
        raise ValueError(f"{path}: no such image, folder or video")
    try:
        regular(path, most=LARGEST_STREAM)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    suffix = path.suffix.lower()
    if suffix not in IMAGES + VIDEOS:
        raise ValueError(
            f"{path}: not the name of an image ({', '.join(IMAGES)}) or video ({', '.join(VIDEOS)})"
        )
    return Input("images" if suffix in IMAGES else "video", (path,))


def _folder(path: Path, *, recursive: bool) -> Input:
    """Finds the images of a folder, in the order of their names."""
    files = sorted(file for file in path.glob("**/*" if recursive else "*") if not file.is_dir())
    # macOS writes hidden files beside images. A special file is skipped with its name later.
    images = tuple(f for f in files if f.suffix.lower() in IMAGES and not f.name.startswith("."))
    if not images:
        has_folders = not recursive and any(entry.is_dir() for entry in path.iterdir())
        hint = ". It has subfolders: add --recursive to search them" if has_folders else ""
        raise ValueError(f"{path}: no image in this folder ({', '.join(IMAGES)}){hint}")
    return Input("images", images, others=len(files) - len(images), root=path)


def numbers(text: str, counts: Sequence[int]) -> list[float]:
    """Reads numbers with commas between them.

    Args:
        counts: allowed numbers of numbers.

    Raises:
        ValueError: they are not numbers, or too many or too few.
    """
    expected = f"write {' or '.join(map(str, counts))} numbers with commas between them"
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        raise ValueError(f"{text}: {expected}") from None
    if len(values) not in counts:
        raise ValueError(f"{text}: {len(values)} numbers; {expected}")
    return values


def camera_matrix(text: str) -> np.ndarray:
    """Reads K (3, 3) from "fx,fy,cx,cy" or from its nine entries in rows."""
    values = numbers(text, (4, 9))
    if len(values) == 4:
        fx, fy, cx, cy = values
        values = [fx, 0, cx, 0, fy, cy, 0, 0, 1]
    return np.array(values).reshape(3, 3)


def given_problems(
    box: Sequence[float] | None, K: np.ndarray | None, scale: float | None
) -> list[str]:
    """Returns everything that is wrong with what is given of a hand (see `Given`).

    Args:
        box: centre u, centre v, side, px.
        K: (3, 3) camera matrix.
        scale: length of the reference bone, metres.
    """
    problems = []
    if box is not None and not (len(box) == 3 and all(map(math.isfinite, box)) and box[2] >= 1):
        text = "must be centre u, centre v and side in px, the side at least 1"
        problems.append(f"box {_shown(box)}: {text}")
    if K is not None and (problem := _camera_problem(np.asarray(K, dtype=float))):
        problems.append(f"camera matrix {_shown(np.ravel(K))}: {problem}")
    low, high = _SCALES
    if scale is not None and not low <= scale <= high:
        text = f"must be the length of the reference bone in metres, {low:g} to {high:g}"
        problems.append(f"scale {scale:g}: {text}")
    return problems


def _camera_problem(K: np.ndarray) -> str | None:
    if K.shape != (3, 3) or not np.isfinite(K).all():
        return "must be 3 x 3 numbers"
    if not (K[2] == [0, 0, 1]).all() or K[1, 0] != 0:
        return "must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]]"
    if K[0, 0] <= 1 or K[1, 1] <= 1:
        return "the focal lengths must be in px, more than 1"
    return None


def _shown(values: Sequence[float] | np.ndarray) -> str:
    return ",".join(f"{value:g}" for value in values)
