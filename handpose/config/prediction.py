"""What a prediction is told on the command line: checked before anything heavy is imported."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from handpose.files import LARGEST_STREAM, regular

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
_CAMERA = "camera:"
# Metres between a wrist and a knuckle: of a small child to beyond the largest adult.
_SCALES = (0.03, 0.15)


class Input(NamedTuple):
    """What is looked at."""

    kind: Literal["pictures", "video", "camera"]
    paths: tuple[Path, ...] = ()  # of the pictures, or of the one video
    camera: int = 0
    left_out: int = 0  # files of a folder that are no images by their names
    root: Path | None = None  # the folder that `paths` lie in, at any depth


def find_input(text: str, *, recursive: bool = False) -> Input:
    """Find an image, a folder of images, a video, or `camera:0`.

    Args:
        text: as typed.
        recursive: take the images of the folders in a folder too.

    Raises:
        ValueError: there is no such thing, or nothing to look at in it.
    """
    if text.startswith(_CAMERA):
        number = text.removeprefix(_CAMERA)
        if not number.isdecimal():
            raise ValueError(f"{text}: a camera is written camera:0, by its number")
        return Input("camera", camera=int(number))
    path = Path(text)
    if path.is_dir():
        return _folder(path, recursive=recursive)
    if not path.exists():
        raise ValueError(f"{path}: no such picture, folder or video")
    try:
        regular(path, most=LARGEST_STREAM)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    suffix = path.suffix.lower()
    if suffix not in PICTURES + VIDEOS:
        raise ValueError(
            f"{path}: neither a picture ({', '.join(PICTURES)}) nor a video ({', '.join(VIDEOS)}) "
            "by its name"
        )
    return Input("pictures" if suffix in PICTURES else "video", (path,))


def _folder(path: Path, *, recursive: bool) -> Input:
    """The images in a folder, in the order of their names."""
    files = sorted(file for file in path.glob("**/*" if recursive else "*") if not file.is_dir())
    # Not those that macOS leaves beside others. What is no regular file is left out by name later.
    shown = [file for file in files if not file.name.startswith(".")]
    images = tuple(file for file in shown if file.suffix.lower() in PICTURES)
    if not images:
        below = not recursive and any(entry.is_dir() for entry in path.iterdir())
        hint = ". It holds folders: add --recursive to search them" if below else ""
        raise ValueError(f"{path}: no image in this folder ({', '.join(PICTURES)}){hint}")
    return Input("pictures", images, left_out=len(files) - len(images), root=path)


def numbers(text: str, counts: Sequence[int]) -> list[float]:
    """Numbers with commas between them.

    Raises:
        ValueError: they are no numbers, or not as many as one of `counts`.
    """
    expected = f"{' or '.join(map(str, counts))} numbers with commas between them"
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        raise ValueError(f"{text}: expected are {expected}") from None
    if len(values) not in counts:
        raise ValueError(f"{text}: {len(values)} numbers; expected are {expected}")
    return values


def camera_matrix(text: str) -> np.ndarray:
    """K (3, 3) of "fx,fy,cx,cy" or of its nine entries in rows."""
    values = numbers(text, (4, 9))
    if len(values) == 4:
        fx, fy, cx, cy = values
        values = [fx, 0, cx, 0, fy, cy, 0, 0, 1]
    return np.array(values).reshape(3, 3)


def given_problems(
    box: Sequence[float] | None, K: np.ndarray | None, scale: float | None
) -> list[str]:
    """All that is wrong with what is said of a picture; see `handpose.predict.Given`."""
    problems = []
    if box is not None and not (len(box) == 3 and all(map(math.isfinite, box)) and box[2] >= 1):
        problems.append(
            f"box {_shown(box)}: expected are its centre u, centre v and side in px, at least 1"
        )
    if K is not None and (problem := _camera_problem(np.asarray(K, dtype=float))):
        problems.append(f"camera matrix {_shown(np.ravel(K))}: {problem}")
    low, high = _SCALES
    if scale is not None and not low <= scale <= high:
        problems.append(
            f"scale {scale:g}: the length of the reference bone in metres is expected, "
            f"{low:g} to {high:g}"
        )
    return problems


def _camera_problem(K: np.ndarray) -> str | None:
    if K.shape != (3, 3) or not np.isfinite(K).all():
        return "expected are 3 x 3 numbers"
    if not (K[2] == [0, 0, 1]).all() or K[1, 0] != 0:
        return "expected is [[fx, s, cx], [0, fy, cy], [0, 0, 1]]"
    if K[0, 0] <= 1 or K[1, 1] <= 1:
        return "the focal lengths are in px, and more than 1"
    return None


def _shown(values: Sequence[float] | np.ndarray) -> str:
    return ",".join(f"{value:g}" for value in values)
