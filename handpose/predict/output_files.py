"""Prediction files: a drawing and JSON of each image, or a video and JSON lines of a video."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from handpose.geometry import affine as maps
from handpose.media.images import Frame
from handpose.media.video_writer import VideoWriter
from handpose.predict.hand import Hand, to_json
from handpose.report.skeletons import box_corners, draw_box, draw_skeleton, joint_colours
from handpose.skeleton import NUM_JOINTS

# Writes a frame's hand. ValueError: a number is not finite. OSError: it cannot be written.
Writer = Callable[[Frame, Hand], None]

_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 92)
_MIN_SIDE = 512  # px of the longer side of a drawing, so that the lines fit
_SIDE_TO_THICKNESS = 90


def draw_hand(image: np.ndarray, hand: Hand) -> np.ndarray:
    """Draws the box in white and the joints in their fingers' colours.

    Args:
        image: (H, W, 3) RGB; a small one is enlarged by a whole factor.
    """
    height, width = image.shape[:2]
    factor = -(-_MIN_SIDE // max(height, width))
    size = factor * width, factor * height
    drawing = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else image
    to_drawing = maps.resize((width, height), size)
    return draw_skeleton(
        draw_box(drawing, maps.apply(to_drawing, box_corners(hand.box))),
        maps.apply(to_drawing, hand.uv),
        np.ones(NUM_JOINTS, dtype=bool),
        colours=joint_colours(),
        thickness=max(2, round(factor * float(hand.box[2]) / _SIDE_TO_THICKNESS)),
    )


def image_writer(folder: Path, names: Iterable[str]) -> Writer:
    """Writes NAME.jpg and NAME.json; images that differ only in their suffix keep it in NAME.

    Args:
        folder: where to; images of subfolders go into subfolders.
    """
    stems = Counter(Path(name).with_suffix("") for name in names)

    def write(frame: Frame, hand: Hand) -> None:
        stem = Path(frame.source).with_suffix("")
        path = folder / (stem if stems[stem] < 2 else frame.source)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = _record(frame, hand)
        done, packed = cv2.imencode(".jpg", draw_hand(frame.image, hand)[..., ::-1], _QUALITY)
        assert done, "this OpenCV cannot write JPEG"
        path.with_name(f"{path.name}.jpg").write_bytes(packed.tobytes())
        path.with_name(f"{path.name}.json").write_text(record)

    return write


@contextmanager
def video_writer(folder: Path, name: str, rate: Fraction) -> Iterator[Writer]:
    """Writes NAME.mp4 and NAME.jsonl, with one line for each frame.

    Args:
        folder: where to.
        name: NAME.
        rate: frames per second.
    """
    with (
        (folder / f"{name}.jsonl").open("w") as lines,
        VideoWriter(folder / f"{name}.mp4", rate) as video,
    ):

        def write(frame: Frame, hand: Hand) -> None:
            record = _record(frame, hand)
            lines.write(f"{record}\n")
            video.write(draw_hand(frame.image, hand), frame.time)

        yield write


def _record(frame: Frame, hand: Hand) -> str:
    height, width = frame.image.shape[:2]
    return to_json(hand, frame.source, size=(width, height), frame=frame.number)
