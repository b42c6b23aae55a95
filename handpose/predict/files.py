"""Where predictions go: a drawn picture and JSON for each picture, or both of a whole video."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from handpose.predict.drawing import draw_hand
from handpose.predict.frames import Frame
from handpose.predict.result import Hand, as_record

_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 92)


class Writer(Protocol):
    """Takes a frame and the hand in it.

    Raises:
        ValueError: the hand holds a number that is not finite.
        OSError: it cannot be written.
    """

    def __call__(self, frame: Frame, hand: Hand) -> None: ...


class PictureWriter:
    """NAME.jpg and NAME.json in `folder`; images that differ in their endings keep those.

    An image of a folder in the folder given goes to a folder of the same name.

    Args:
        folder: where to.
        names: of all the pictures that may come.
    """

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self.folder = folder
        self._stems = Counter(Path(name).with_suffix("") for name in names)

    def __call__(self, frame: Frame, hand: Hand) -> None:
        stem = Path(frame.source).with_suffix("")
        path = self.folder / (stem if self._stems[stem] < 2 else frame.source)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = _record(frame, hand)
        done, packed = cv2.imencode(".jpg", draw_hand(frame.image, hand)[..., ::-1], _QUALITY)
        assert done, "this OpenCV cannot write JPEG"
        path.with_name(f"{path.name}.jpg").write_bytes(packed.tobytes())
        path.with_name(f"{path.name}.json").write_text(record)


@contextmanager
def video_writer(folder: Path, name: str, rate: float) -> Iterator[Writer]:
    """NAME.mp4 and NAME.jsonl, a line a frame, in `folder`.

    Args:
        folder: where to.
        name: of the two.
        rate: frames per second.
    """
    movie: cv2.VideoWriter | None = None
    with (folder / f"{name}.jsonl").open("w") as lines:

        def write(frame: Frame, hand: Hand) -> None:
            nonlocal movie
            record, drawn = _record(frame, hand), _even(draw_hand(frame.image, hand))
            movie = movie or _movie(folder / f"{name}.mp4", rate, drawn)
            lines.write(f"{record}\n")
            movie.write(np.ascontiguousarray(drawn[..., ::-1]))

        try:
            yield write
        finally:
            if movie is not None:
                movie.release()


def _movie(path: Path, rate: float, first: np.ndarray) -> cv2.VideoWriter:
    movie = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (first.shape[1], first.shape[0])
    )
    if not movie.isOpened():
        raise OSError(f"{path}: this OpenCV cannot write such a video")
    return movie


def _even(picture: np.ndarray) -> np.ndarray:
    """Without a last odd row or column: videos have none."""
    return picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]


def _record(frame: Frame, hand: Hand) -> str:
    height, width = frame.image.shape[:2]
    return as_record(hand, frame.source, size=(width, height), frame=frame.number)
