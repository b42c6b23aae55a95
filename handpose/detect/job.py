"""Detects the hands of a whole input: frame by frame, in constant memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from handpose.detect.base import Detection, Detector
from handpose.media.frames import Frame, read_images
from handpose.media.inputs import Input
from handpose.media.live_camera import open_camera
from handpose.media.video import open_video
from handpose.progress import track


class Done(NamedTuple):
    """What a job did."""

    frames: int  # images and frames that were searched
    hands: int
    empty: int  # images and frames without a hand
    skipped: int  # images and videos that could not be read


def detect_all(
    found: Input,
    detector: Detector,
    writers: Sequence[Callable[[Frame, list[Detection]], None]],
    *,
    every: float = 0.0,
    limit: int | None = None,
) -> Done:
    """Detects and writes; what cannot be read is skipped with one line.

    Args:
        found: images, videos or a camera.
        detector: finds the hands.
        writers: each gets every frame with its hands.
        every: seconds between two frames of a video; 0 for all.
        limit: maximum number of frames of each video, or of the camera.

    Raises:
        ValueError: the camera cannot be opened, or the detector failed.
        OSError: the hands cannot be written.
    """
    done = Done(0, 0, 0, 0)
    total = len(found.images) if not found.videos and found.camera is None else None
    frames = _frames(found, every, limit)
    with closing(track(frames, what="detecting", total=total)) as tracked:
        try:
            for frame in tracked:
                if isinstance(frame, ValueError):
                    print(f"skipped: {frame}")
                    done = done._replace(skipped=done.skipped + 1)
                    continue
                hands = detector(frame.image)
                for write in writers:
                    write(frame, hands)
                done = Done(
                    done.frames + 1, done.hands + len(hands), done.empty + (not hands), done.skipped
                )
        except KeyboardInterrupt:  # the way to end a camera; what was found stays
            print("stopped")
    return done


def _frames(found: Input, every: float, limit: int | None) -> Iterator[Frame | ValueError]:
    """Yields the images, then the frames of the videos, or those of the camera."""
    if found.camera is not None:
        with open_camera(found.camera, limit=limit) as video:
            yield from video.frames
    yield from read_images(found.images, [found.name(path) for path in found.images])
    for path in found.videos:
        try:
            with open_video(path, name=found.name(path), every=every, limit=limit) as video:
                yield from video.frames
        except ValueError as error:
            yield error
