"""Recognises hands that look as one that was kept a short while before."""

from collections import deque
from typing import Any

import cv2
import numpy as np

from handpose.collect.crops import CutHand
from handpose.records import Side

_SIDE = 16  # px of the small grey images that are compared
_REMEMBERED = 8  # hands of each side


class NearDuplicates:
    """Compares hands with the last ones that were kept of the same source and side.

    The difference of two hands is the mean absolute one of their boxes as small grey images, each
    about its own mean, so that noise, small shifts and exposure count little.

    Args:
        min_change: grey levels; a hand that differs less from one of the last kept is a duplicate.
        state: of an earlier object; None for none.
    """

    def __init__(self, min_change: float, state: dict[str, Any] | None = None) -> None:
        self._min_change = min_change
        self._kept: dict[Side, deque[np.ndarray]] = {
            side: deque(maxlen=_REMEMBERED) for side in ("left", "right")
        }
        for side, images in (state or {}).items():
            self._kept[side].extend(np.array(image, dtype=np.uint8) for image in images)  # type: ignore[index]

    def state(self) -> dict[str, Any]:
        """Return what is remembered, in plain values."""
        return {side: [image.tolist() for image in kept] for side, kept in self._kept.items()}

    def is_new(self, image: np.ndarray, hand: CutHand) -> bool:
        """Return whether a hand differs from all remembered ones, and remember it then.

        Args:
            image: (H, W, 3) uint8 RGB, the stored image.
            hand: in px of it.
        """
        small = _small(image, hand.box)
        kept = self._kept[hand.found.side]
        if any(_difference(small, other) < self._min_change for other in kept):
            return False
        kept.append(small)
        return True


def _small(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the part of a box in the image as a small grey image (16, 16) uint8."""
    half = max(float(box[2]) / 2, 1.0)
    low = np.maximum(np.floor(box[:2] - half), 0).astype(int)
    high = np.maximum(np.ceil(box[:2] + half).astype(int), low + 1)
    part = image[low[1] : high[1], low[0] : high[0]]
    grey = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    difference = one.astype(np.float64) - other
    return float(np.abs(difference - difference.mean()).mean())
