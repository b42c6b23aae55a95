"""What every hand detector gives. J = 21 joints (order: `handpose.skeleton`)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from handpose.records import Side


class Detection(NamedTuple):
    """One detected hand, in the frame of its source image."""

    box: np.ndarray  # (3,) float32: centre u, centre v, side in px of a square around the hand
    side: Side  # the person's own hand, in an image that is not mirrored
    score: float  # 0..1
    uv: np.ndarray  # (J, 2) float32 px; NaN without landmarks


# (H, W, 3) uint8 RGB -> its hands, best score first. Any function of this form is a detector.
Detector = Callable[[np.ndarray], list[Detection]]
