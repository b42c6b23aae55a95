"""Files of detected hands: JSON lines with everything, or the table of boxes that others read.

FILE.jsonl has a line for each image or frame, also for one without a hand:
    image     name; for the file of a folder or list, its path below that folder
    frame     number in a video from 0; null for an image
    time      seconds from the start of a video; null for an image
    width, height   px
    hands     list, best score first, of
        box       [u, v, side]: centre and side in px of a square about the hand
        side      "left" or "right": the person's own hand
        score     0..1
        uv        21 x [u, v] px in the joint order of `handpose.skeleton`; null without landmarks

FILE.csv has a row for each hand: image, box_u, box_v, box_side, side, and frame for videos. It is
the table of `dataset=folder dataset.boxes=FILE.csv` and of `handpose predict --boxes FILE.csv`.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from handpose.detect.base import Detection
from handpose.files import replacing
from handpose.media.frames import Frame

_COLUMNS = ["image", "box_u", "box_v", "box_side", "side"]

Write = Callable[[Frame, Sequence[Detection]], None]


@contextmanager
def writer(path: Path, *, has_frames: bool) -> Iterator[Write]:
    """Gives a function that writes the hands of a frame; the file appears whole, at the end.

    Args:
        path: FILE.jsonl or FILE.csv.
        has_frames: whether the input holds a video.
    """
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        if path.suffix != ".csv":
            yield lambda frame, hands: print(json.dumps(record(frame, hands)), file=file)
            return
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS + ["frame"] * has_frames)

        def write(frame: Frame, hands: Sequence[Detection]) -> None:
            number = [frame.number] * has_frames
            for hand in hands:
                table.writerow([frame.source, *_numbers(hand.box), hand.side, *number])

        yield write


def record(frame: Frame, hands: Sequence[Detection]) -> dict[str, Any]:
    """Returns plain values, as the module describes them.

    Args:
        frame: an image and where it comes from.
        hands: in px of the image.
    """
    height, width = frame.image.shape[:2]
    return {
        "image": frame.source,
        "frame": frame.number,
        "time": None if frame.time is None else round(frame.time, 3),
        "width": width,
        "height": height,
        "hands": [
            {
                "box": _numbers(hand.box),
                "side": hand.side,
                "score": round(hand.score, 4),
                "uv": _numbers(hand.uv) if np.isfinite(hand.uv).all() else None,
            }
            for hand in hands
        ],
    }


def _numbers(values: np.ndarray) -> Any:
    """Returns px with two decimals."""
    return np.asarray(values, dtype=np.float64).round(2).tolist()
