"""Draws detected hands over their images and videos, to files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from handpose.detect.base import Detection
from handpose.media.frames import Frame
from handpose.media.image_files import stems, write_jpeg
from handpose.media.video import DEFAULT_RATE
from handpose.media.video_writer import VideoWriter
from handpose.report.hand_drawings import DrawnHand, draw_hands

_QUALITY = 92  # of JPEG


@contextmanager
def drawing_writer(
    folder: Path, names: Sequence[str]
) -> Iterator[Callable[[Frame, Sequence[Detection]], None]]:
    """Gives a function that draws a frame's hands: NAME.jpg of an image, NAME.mp4 of a video.

    Args:
        folder: where to; files of subfolders go into subfolders.
        names: of all images and videos; those that differ only in their suffix keep it in NAME.
    """
    stem_of = stems(names)
    video: VideoWriter | None = None

    def write(frame: Frame, hands: Sequence[Detection]) -> None:
        nonlocal video
        path = folder / stem_of(frame.source)
        drawing = draw_hands(frame.image, [_drawn(hand) for hand in hands])
        if frame.number is None:
            return write_jpeg(path.with_name(f"{path.name}.jpg"), drawing, quality=_QUALITY)
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


def _drawn(hand: Detection) -> DrawnHand:
    return DrawnHand(hand.uv, hand.box, hand.side, f"{hand.side} {hand.score:.2f}")
