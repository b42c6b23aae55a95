"""Frames of a camera, through OpenCV."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from typing import Any

import cv2

from handpose.media.frames import Frame
from handpose.media.video import DEFAULT_RATE, Video


@contextmanager
def open_camera(number: int, *, limit: int | None = None) -> Iterator[Video]:
    """Opens a camera.

    Args:
        number: of the camera, from 0.
        limit: maximum number of frames; None for all.

    Raises:
        ValueError: it cannot be opened or has no frame.
    """
    name = f"camera:{number}"
    capture = cv2.VideoCapture(number)
    try:
        has_frame, first = capture.read() if capture.isOpened() else (False, None)
        if not has_frame:
            raise ValueError(
                f"{name}: cannot be opened, or has no frame; connect it, and close other programs "
                "that use it"
            )
        rate = capture.get(cv2.CAP_PROP_FPS)
        known = Fraction(rate).limit_denominator(1001) if 1 <= rate <= 1000 else DEFAULT_RATE
        yield Video(known, limit, islice(_frames(capture, first, name), limit))
    finally:
        capture.release()


def _frames(capture: cv2.VideoCapture, first: Any, name: str) -> Iterator[Frame]:
    """Yields the first frame, which was read already, and all others, with the time of each."""
    start, number, bgr = time.monotonic(), 0, first
    while bgr is not None:
        image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        yield Frame(name, number, image, time.monotonic() - start)
        has_frame, bgr = capture.read()
        number, bgr = number + 1, bgr if has_frame else None
