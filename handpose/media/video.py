"""Reads videos frame by frame, in constant memory, through PyAV (FFmpeg's libraries)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from handpose.files import LARGEST_STREAM, regular
from handpose.media.frames import Frame

DEFAULT_RATE = Fraction(25)  # frames per second, where a video or camera does not say
_EPSILON = 1e-6  # seconds


@dataclass
class Video:
    """An open video or camera."""

    rate: Fraction  # frames per second, the average of a variable rate
    total: int | None  # number of frames that `frames` gives; estimated, None if unknown
    frames: Iterator[Frame]
    num_corrupt: int = 0  # packets and frames that could not be decoded so far, and were left out


@contextmanager
def open_video(
    path: Path,
    *,
    name: str | None = None,
    limit: int | None = None,
    every: float = 0.0,
) -> Iterator[Video]:
    """Opens a video; its frames are turned as its metadata says.

    Where others are left out, a frame keeps its number in the video.

    Args:
        path: video file.
        name: source of its frames; the file's name if None.
        limit: maximum number of frames; None for all.
        every: seconds between two frames, to half a frame; 0 for all frames.

    Raises:
        ValueError: it cannot be opened or has no frame; names the file.
    """
    with opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        rate = _rate(stream)
        video = Video(rate, _total(container, stream, rate, limit, every), iter(()))
        frames = _frames(container, stream, video, name or path.name, every)
        first = next(frames, None)
        if first is None:
            raise ValueError(f"{path}: has no frame that can be decoded")
        video.frames = islice(chain((first,), frames), limit)
        yield video


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens a video file; gives its container and its first video stream.

    Raises:
        ValueError: it cannot be opened, or has no video stream; names the file.
    """
    try:
        container = av.open(str(regular(path, most=LARGEST_STREAM)))
    except (OSError, av.FFmpegError) as error:
        raise ValueError(f"{path}: cannot be opened ({reason(error)})") from None
    with container:
        if not container.streams.video:
            raise ValueError(f"{path}: has no video stream")
        yield container, container.streams.video[0]


def _frames(
    container: InputContainer,
    stream: VideoStream,
    video: Video,
    name: str,
    every: float,
) -> Iterator[Frame]:
    """Yields the frames that are `every` seconds apart; see `open_video`."""
    origin = float((stream.start_time or 0) * (stream.time_base or 0))
    due = 0.0
    slack = 0.5 / float(video.rate) if every > 0 else _EPSILON
    for number, decoded in enumerate(_decoded(container, stream, video)):
        time = number / float(video.rate) if decoded.time is None else decoded.time - origin
        if time < due - slack:
            continue
        if every > 0:
            due = max(due + every, time + every - slack)
        yield Frame(name, number, upright(decoded), time)


def _decoded(container: InputContainer, stream: VideoStream, video: Video) -> Iterator[VideoFrame]:
    """Yields decoded frames; what is corrupt is counted and left out."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:  # the file is cut or overwritten here; no packet can follow
            video.num_corrupt += 1
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            video.num_corrupt += 1
            continue
        for frame in frames:
            if frame.is_corrupt:
                video.num_corrupt += 1
            else:
                yield frame


def upright(frame: VideoFrame) -> np.ndarray:
    """Returns a decoded frame as (H, W, 3) uint8 RGB, turned as its metadata says."""
    image = frame.to_ndarray(format="rgb24", threads=1)  # more than one are slower
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _rate(stream: VideoStream) -> Fraction:
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((rate for rate in rates if rate and 1 <= rate <= 1000), DEFAULT_RATE)


def _total(
    container: InputContainer,
    stream: VideoStream,
    rate: Fraction,
    limit: int | None,
    every: float,
) -> int | None:
    """Returns the number of frames that will come, by the file's own statements."""
    seconds = None if container.duration is None else container.duration / av.time_base
    if stream.frames and not every:
        known: int | None = stream.frames
    elif seconds is None:
        known = None
    else:
        known = max(1, round(seconds / max(every, float(1 / rate))))
    return min((n for n in (known, limit) if n is not None), default=None)


def reason(error: Exception) -> str:
    """Returns what an error of FFmpeg or of the system says, without its number."""
    return str(getattr(error, "strerror", None) or error)
