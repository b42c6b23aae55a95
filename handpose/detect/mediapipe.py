"""MediaPipe's HandLandmarker as a detector. Needs the extra `detect` and a model file.

J = 21 joints, in our order.
"""

import importlib.util
import threading
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from handpose.data.base import joint_box
from handpose.detect.base import Detection
from handpose.detect.model_file import check_model_file
from handpose.detect.native_messages import harmless_lines_dropped
from handpose.records import Side

MISSING = (
    'mediapipe is not installed: pip install "handpose[detect]", or pip install -e ".[detect]" in '
    "a checkout"
)
_SIDES: dict[str, Side] = {"Left": "left", "Right": "right"}


class HandLandmarker:
    """Detects the hands in single images, best score first.

    It may be called from several threads: MediaPipe runs their images one after the other, and
    Python's other threads run meanwhile. It does not survive a fork: make one in each process.

    The score is the probability of the side, at least 0.5; MediaPipe gives no other for a hand.
    The box is `joint_box` of the landmarks, as in training by `crop_by=joints`.

    Args:
        path: hand_landmarker.task.
        min_score: 0..1, for the palm's detection and again for the hand's presence.
        num_hands: most hands found in an image.

    Raises:
        ValueError: the file is not such a model, or mediapipe is not installed.
    """

    def __init__(self, path: Path, *, min_score: float, num_hands: int) -> None:
        check_model_file(path)
        if importlib.util.find_spec("mediapipe") is None:
            raise ValueError(MISSING)
        with harmless_lines_dropped():
            self._landmarker = _open(path, min_score, num_hands)
        self._is_quiet = threading.Event()  # the lines of the first hand are through
        self._finalizer = weakref.finalize(self, _close, self._landmarker)

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Return the hands of an image (H, W, 3) uint8 RGB.

        Raises:
            ValueError: another kind of array, or the detector is closed.
        """
        if not self._finalizer.alive:
            raise ValueError("the detector is closed")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"{image.dtype} array of shape {image.shape}; give (H, W, 3) uint8")
        if self._is_quiet.is_set():
            return self._detect(image)
        with harmless_lines_dropped():
            detections = self._detect(image)
        if detections:
            self._is_quiet.set()
        return detections

    def close(self) -> None:
        """Free MediaPipe's graph; it is freed at the end of the program too."""
        self._finalizer()

    def __enter__(self) -> "HandLandmarker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _detect(self, image: np.ndarray) -> list[Detection]:
        from mediapipe import Image, ImageFormat

        given = Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(image))
        found = self._landmarker.detect(given)
        hands = zip(found.hand_landmarks, found.handedness, strict=True)
        detections = [_detection(points, sides[0], image.shape) for points, sides in hands]
        return sorted(detections, key=lambda detection: -detection.score)


def _open(path: Path, min_score: float, num_hands: int) -> Any:
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.HandLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=path.read_bytes()),
        running_mode=vision.RunningMode.IMAGE,
        num_hands=num_hands,
        min_hand_detection_confidence=min_score,
        min_hand_presence_confidence=min_score,
    )
    try:
        return vision.HandLandmarker.create_from_options(options)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: MediaPipe cannot read it ({error})") from error


def _detection(points: list[Any], side: Any, shape: tuple[int, ...]) -> Detection:
    """Convert MediaPipe's hand, whose landmarks are 0..1 from edge to edge of the image."""
    height, width = shape[:2]
    uv = np.array([(point.x * width, point.y * height) for point in points]) - 0.5
    return Detection(
        box=joint_box(uv),
        side=_SIDES[side.category_name],
        score=float(side.score),
        uv=uv.astype(np.float32),
    )


def _close(landmarker: Any) -> None:
    """Close, or at the end of the program, when its thread is gone, keep it from trying."""
    with harmless_lines_dropped():
        try:
            landmarker.close()
        except RuntimeError:
            landmarker._handle = None
