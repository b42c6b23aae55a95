"""Draws detected hands over their images and videos."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from handpose.detect.base import Detection
from handpose.geometry import affine as maps
from handpose.media.images import Frame
from handpose.media.video import DEFAULT_RATE
from handpose.media.video_writer import VideoWriter
from handpose.report.skeletons import box_corners, draw_box, draw_skeleton, joint_colours
from handpose.skeleton import NUM_JOINTS

_MIN_SIDE = 512  # px of the longer side of a drawing, so that the lines fit
_SIDE_TO_THICKNESS = 90
_FONT, _TEXT_HEIGHT = cv2.FONT_HERSHEY_SIMPLEX, 13
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 92)
_WHITE, _DARK = (255, 255, 255), (15, 18, 24)


def draw_detections(image: np.ndarray, hands: Sequence[Detection]) -> np.ndarray:
    """Draws the boxes with side and score, and the landmarks where there are any.

    Args:
        image: (H, W, 3) RGB; a small one is enlarged by a whole factor.
        hands: in px of the image.
    """
    height, width = image.shape[:2]
    factor = -(-_MIN_SIDE // max(height, width))
    size = factor * width, factor * height
    drawing = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else image.copy()
    to_drawing = maps.resize((width, height), size)
    for hand in hands:
        corners = maps.apply(to_drawing, box_corners(hand.box))
        thickness = max(2, round(factor * float(hand.box[2]) / _SIDE_TO_THICKNESS))
        drawing = draw_skeleton(
            draw_box(drawing, corners),
            maps.apply(to_drawing, hand.uv),
            np.ones(NUM_JOINTS, dtype=bool),
            colours=joint_colours(),
            thickness=thickness,
        )
        _write(drawing, f"{hand.side} {hand.score:.2f}", corners[0])
    return drawing


def _write(drawing: np.ndarray, text: str, corner: np.ndarray) -> None:
    """Writes above the upper left corner of a box, or within it at the image's border."""
    scale = cv2.getFontScaleFromHeight(_FONT, _TEXT_HEIGHT, 1)
    above = corner[1] - 6
    v = above if above >= _TEXT_HEIGHT else max(corner[1], 0) + _TEXT_HEIGHT + 6
    u = corner[0] if above >= _TEXT_HEIGHT else corner[0] + 6
    place = round(max(float(u), 6.0)), round(float(v))
    cv2.putText(drawing, text, place, _FONT, scale, _DARK, 4, cv2.LINE_AA)
    cv2.putText(drawing, text, place, _FONT, scale, _WHITE, 1, cv2.LINE_AA)


@contextmanager
def drawing_writer(
    folder: Path, names: Sequence[str]
) -> Iterator[Callable[[Frame, Sequence[Detection]], None]]:
    """Gives a function that draws a frame's hands: NAME.jpg of an image, NAME.mp4 of a video.

    Args:
        folder: where to; files of subfolders go into subfolders.
        names: of all images and videos; those that differ only in their suffix keep it in NAME.
    """
    stems = Counter(Path(name).with_suffix("") for name in names)
    video: VideoWriter | None = None

    def write(frame: Frame, hands: Sequence[Detection]) -> None:
        nonlocal video
        stem = Path(frame.source).with_suffix("")
        path = folder / (stem if stems[stem] < 2 else frame.source)
        drawing = draw_detections(frame.image, hands)
        if frame.number is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            done, packed = cv2.imencode(".jpg", drawing[..., ::-1], _QUALITY)
            assert done, "this OpenCV cannot write JPEG"
            path.with_name(f"{path.name}.jpg").write_bytes(packed.tobytes())
            return
        target = path.with_name(f"{path.name}.mp4".replace(":", "-"))  # camera:0
        if video is None or video.path != target:
            close()
            target.parent.mkdir(parents=True, exist_ok=True)
            video = VideoWriter(target, DEFAULT_RATE)
        video.write(drawing, frame.time)

    def close() -> None:
        if video is not None:
            video.close()

    try:
        yield write
    finally:
        close()
