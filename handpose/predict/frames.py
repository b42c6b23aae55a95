"""Pictures one after the other: of files, of a video, of a camera. H, W of each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from handpose.data.images import read_image
from handpose.files import shown

_USUAL_RATE = 25.0  # frames per second, where a video or camera does not say


class Frame(NamedTuple):
    """A picture to look at."""

    source: str  # the file's name or path below the folder given, or the camera's
    number: int | None  # from 0, of a video or camera
    image: np.ndarray  # (H, W, 3) uint8 RGB


def image_names(paths: Sequence[Path], *, root: Path | None) -> list[str]:
    """The path of each file below `root`, the folder that was given; without one its name."""
    return [path.relative_to(root).as_posix() if root else path.name for path in paths]


def read_pictures(paths: Sequence[Path], names: Sequence[str]) -> Iterator[Frame | ValueError]:
    """Yield a frame for each file, turned upright as its EXIF says, or the reason for none.

    Args:
        paths: of the files.
        names: of the frames, one for each file.
    """
    for path, name in zip(paths, names, strict=True):
        try:
            if shown(name) != name:
                raise ValueError(f"{shown(name)}: its name is not UTF-8; rename it")
            yield Frame(name, None, read_image(path, upright=True))
        except ValueError as error:
            yield error


class Video(NamedTuple):
    """A video or camera that is open."""

    name: str
    rate: float  # frames per second
    total: int | None  # frames as its header has it; None where that is not known
    frames: Iterator[Frame]


@contextmanager
def opened(place: Path | int, *, limit: int | None = None) -> Iterator[Video]:
    """A video's file, or a camera by its number; its first `limit` frames.

    Raises:
        ValueError: it cannot be opened, or gives no frame.
    """
    name = f"camera:{place}" if isinstance(place, int) else place.name
    capture = cv2.VideoCapture(place if isinstance(place, int) else str(place))
    try:
        is_there, first = capture.read() if capture.isOpened() else (False, None)
        if not is_there:
            what = name if isinstance(place, int) else str(place)
            raise ValueError(f"{what}: cannot be opened, or gives no frame")
        rate, total = (capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        count = int(total) if isinstance(place, Path) and total > 0 else None
        frames = islice(_frames(capture, first, name), limit)
        yield Video(name, rate if 1 <= rate <= 1000 else _USUAL_RATE, _least(count, limit), frames)
    finally:
        capture.release()


def _frames(capture: cv2.VideoCapture, first: Any, name: str) -> Iterator[Frame]:
    """The first one, which was read already, and the others, until there is none."""
    number, bgr = 0, first
    while bgr is not None:
        yield Frame(name, number, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        is_there, bgr = capture.read()
        number, bgr = number + 1, bgr if is_there else None


def _least(*counts: int | None) -> int | None:
    return min((count for count in counts if count is not None), default=None)
