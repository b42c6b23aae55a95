"""Reads one frame for each interval of a long video, and decodes as little as that takes.

Packets are cheap to read and expensive to decode. A frame needs the packets from the key frame
before it on. So packets between a chosen frame and the next useful key frame are dropped, and
frames that no other refers to are skipped. In an interval with a key frame, that one is chosen.

A tick is a unit of the stream's own clock. Intervals are counted from the start of the video.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from handpose.media.frames import Frame
from handpose.media.video import opened, reason, upright

_SEEK_EARLIER = 2  # seconds: containers seek by the order of decoding, which runs ahead
_SEEK_FURTHER = 4  # times as far back while there is no key frame
_MOST_PENDING = 2000  # packets kept undecoded; more, and they are decoded without waiting


@dataclass
class Part:
    """A part of a video. Its fields but `frames` are complete once the frames are read."""

    frames: Iterator[Frame] = field(default_factory=lambda: iter(()))
    num_corrupt: int = 0  # packets and frames that could not be decoded
    num_decoded: int = 0  # frames
    has_ended: bool = False  # no frame comes after this part
    error: str = ""  # why reading stopped early


def seconds_of(path: Path) -> float | None:
    """Return the duration that a video states; None if it states none.

    Raises:
        ValueError: it cannot be opened, or has no video stream; names the file.
    """
    with _single_threaded(path) as (container, stream):
        if container.duration is not None:
            return container.duration / av.time_base
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return None


@contextmanager
def open_part(path: Path, *, name: str, every: Fraction, first: int, last: int) -> Iterator[Part]:
    """Open the intervals `first` to `last` - 1 of a video, each `every` seconds long.

    The frames are the same whatever was read before.

    Args:
        path: video file.
        name: source of its frames.
        every: length of an interval in seconds.
        first: first interval.
        last: first interval after the part.

    Raises:
        ValueError: it cannot be opened, or has no video stream; names the file.
    """
    with _single_threaded(path) as (container, stream):
        part = Part()
        part.frames = _Sampler(container, stream, part, name, every, first, last).frames()
        yield part


@contextmanager
def _single_threaded(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    with opened(path) as (container, stream):
        if stream.time_base is None:
            raise ValueError(f"{path}: has no video stream")
        stream.codec_context.thread_count = 1  # so that a corrupt frame is the same each time
        yield container, stream


class _Sampler:
    """Chooses packets and frames; see the module. The state between two packets:

    `_due`: the interval whose frame is looked for. `_wanted`: the first tick that will do.
    `_pending`: packets since the last useful key frame, not decoded yet. `_is_decoding`: packets
    are decoded as they come, until the frame is there.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        part: Part,
        name: str,
        every: Fraction,
        first: int,
        last: int,
    ) -> None:
        assert stream.time_base is not None
        self._container, self._stream, self._part, self._name = container, stream, part, name
        self._tick = Fraction(stream.time_base)
        self._every, self._last = every, last
        self._origin = stream.start_time or 0
        self._pending: list[Packet] = []
        self._is_decoding = False
        self._latest = self._origin
        self._look_for(first)
        if first > 0:
            self._seek()

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of the part."""
        for packet in self._packets():
            yield from self._arrive(packet)
            if self._due >= self._last:
                return
        self._is_decoding = True
        for waiting in (*self._pending, None):
            yield from self._chosen(waiting)
        self._part.has_ended = not self._part.error and self._due < self._last

    def _seek(self) -> None:
        """Go to a key frame before the first interval; MPEG's containers seek between them."""
        earlier = math.ceil(_SEEK_EARLIER / self._tick)
        while self._seek_to(self._wanted - earlier) and not self._is_key_frame_near():
            earlier *= _SEEK_FURTHER
        self._seek_to(self._wanted - earlier)

    def _seek_to(self, tick: int) -> bool:
        """Seek, and return whether there is something further back."""
        # MPEG's transport stream finds its first packet from before the start only, others refuse.
        for target in (tick, max(tick, self._origin)):
            try:
                self._container.seek(target, stream=self._stream)
            except av.FFmpegError:  # not seekable: packets before the part are read and dropped
                continue
            return tick > self._origin
        return False

    def _is_key_frame_near(self) -> bool:
        """Return whether a key frame comes between here and the first interval."""
        near = next((p for p in self._packets() if self._is_key_or_late(p)), None)
        self._part.error = ""  # it comes again when packets are read
        return near is not None and near.is_keyframe and self._time(near) <= self._wanted

    def _is_key_or_late(self, packet: Packet) -> bool:
        return packet.is_keyframe or self._time(packet) > self._wanted

    def _packets(self) -> Iterator[Packet]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                self._part.error = reason(error)
                return
            if packet is None:
                return
            if packet.size:
                yield packet

    def _arrive(self, packet: Packet) -> Iterator[Frame]:
        if self._is_decoding:
            yield from self._chosen(packet)
            return
        tick = self._time(packet)
        place, is_key = self._interval(tick), packet.is_keyframe
        if is_key and place <= self._due:
            if self._pending:
                self._stream.codec_context.flush_buffers()
            self._pending.clear()
        self._pending.append(packet)
        is_key_of_interval = is_key and place == self._due
        if place <= self._due and not is_key_of_interval and len(self._pending) < _MOST_PENDING:
            return
        if is_key_of_interval:
            self._wanted = tick
        self._is_decoding = True
        pending, self._pending = self._pending, []
        for waiting in pending:
            yield from self._arrive(waiting)

    def _chosen(self, packet: Packet | None) -> Iterator[Frame]:
        """Decode a packet, or the last frames without one; yield those that are looked for."""
        for frame in self._decoded(packet):
            tick = self._frame_time(frame)
            if tick < self._wanted or self._due >= self._last:
                continue
            place = self._interval(tick)
            self._look_for(place + 1)
            self._is_decoding = packet is None
            if place < self._last:
                time = float((tick - self._origin) * self._tick)
                yield Frame(self._name, None, upright(frame), time)

    def _decoded(self, packet: Packet | None) -> list[VideoFrame]:
        context = self._stream.codec_context
        is_before = packet is not None and self._time(packet) < self._wanted
        context.skip_frame = "NONREF" if is_before else "DEFAULT"
        try:
            frames = context.decode(packet)
        except av.FFmpegError:
            self._part.num_corrupt += 1
            return []
        good = [frame for frame in frames if not frame.is_corrupt]
        self._part.num_decoded += len(frames)
        self._part.num_corrupt += len(frames) - len(good)
        return good

    def _look_for(self, interval: int) -> None:
        self._due = interval
        self._wanted = self._origin + math.ceil(interval * self._every / self._tick)

    def _interval(self, tick: int) -> int:
        return math.floor((tick - self._origin) * self._tick / self._every)

    def _time(self, packet: Packet) -> int:
        """Return when a packet is shown, else decoded; without a time, that of the last one."""
        return next((t for t in (packet.pts, packet.dts) if t is not None), self._latest)

    def _frame_time(self, frame: VideoFrame) -> int:
        after = self._latest + 1
        self._latest = next((t for t in (frame.pts, frame.dts) if t is not None), after)
        return self._latest
