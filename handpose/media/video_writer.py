"""Writes videos that browsers play, through PyAV (FFmpeg's libraries)."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from handpose.media.video import reason

_ENCODERS = ("libx264", "h264")  # PyAV's own, or any that FFmpeg has
_TICKS = 10_000  # per second at least, so that time stamps of a variable rate are kept
_BT601 = 6  # colours, as FFmpeg numbers them; without it players guess by the size


class VideoWriter:
    """Writes an H.264 video (MP4, 4:2:0) that browsers play and start before it is loaded.

    The first frame sets the size; an odd last row or column is dropped. Closed on exit, also after
    an error, so that what was written can be played.

    Args:
        path: the file, ends with .mp4.
        rate: frames per second.
        quality: x264's constant rate factor; 18 is visually lossless, 28 is coarse.

    Raises:
        OSError: it cannot be written; names the file.
    """

    def __init__(self, path: Path, rate: Fraction | float, *, quality: int = 22) -> None:
        self.path = path
        self.rate = Fraction(rate).limit_denominator(1001)
        self.quality = quality
        self._container: av.container.OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._ticks = self.rate.numerator * -(-_TICKS // self.rate.numerator)  # per second
        self._last = -1

    def write(self, image: np.ndarray, time: float | None = None) -> None:
        """Encodes a frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            time: seconds from the start; None for one frame after the last.
        """
        stream = self._stream or self._open(image)
        if image.shape[1::-1] != (stream.width, stream.height):
            image = self._fitted(image, (stream.width, stream.height))
        # BT.601; FFmpeg takes six times as long.
        yuv = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).astype(np.uint8, copy=False)
        frame = VideoFrame.from_ndarray(yuv, format="yuv420p")
        step = round(self._ticks / self.rate)
        wanted = self._last + step if time is None else round(time * self._ticks)
        self._last = max(wanted, self._last + 1, 0)
        frame.pts, frame.time_base = self._last, Fraction(1, self._ticks)
        self._mux(frame)

    def close(self) -> None:
        """Writes what is still buffered."""
        container, self._container = self._container, None
        if container is not None:
            try:
                assert self._stream is not None
                container.mux(self._stream.encode(None))
            finally:
                container.close()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, image: np.ndarray) -> VideoStream:
        container = av.open(str(self.path), "w", options={"movflags": "+faststart"})
        encoder = next((name for name in _ENCODERS if name in av.codecs_available), None)
        if encoder is None:
            raise OSError(f"{self.path}: this PyAV has no H.264 encoder; install one from PyPI")
        stream = container.add_stream(encoder, rate=self.rate)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = (side // 2 * 2 for side in image.shape[:2])
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, self._ticks)
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT601
        if encoder == _ENCODERS[0]:
            context.options = {"preset": "ultrafast", "crf": str(self.quality)}
        try:
            container.start_encoding()
        except (OSError, av.FFmpegError) as error:
            raise OSError(f"{self.path}: cannot be written ({reason(error)})") from None
        self._container, self._stream = container, stream
        return stream

    def _fitted(self, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The even part of an image; a frame of another size than the first is resized."""
        width, height = size
        if image.shape[0] // 2 * 2 == height and image.shape[1] // 2 * 2 == width:
            return np.ascontiguousarray(image[:height, :width])
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

    def _mux(self, frame: VideoFrame) -> None:
        assert self._container is not None
        assert self._stream is not None
        try:
            self._container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            raise OSError(f"{self.path}: cannot be written ({reason(error)})") from None
