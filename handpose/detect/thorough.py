"""Looks several times: at the whole image, at parts of it, and again at each hand that was found.

`scripts/bench_detector.py` compares it with a single look. J = 21 joints.
"""

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.base import joint_box
from handpose.detect.base import Detection, Detector
from handpose.geometry import affine as maps
from handpose.records import Side

# Side of a part: at most this share of the image's longer side, and no more than the shorter side
# unless that is very short. Neighbours overlap by at least half.
_PART, _LEAST_PART = 2 / 3, 1 / 4
# Side of a second look's crop over that of the box. MediaPipe's palm detector knows a hand best at
# a third of the image: closer, it misses more; and what it takes for a hand by mistake, it does not
# find again.
_SECOND_LOOK = 3.2
_CROP_SIDES = (96, 512)  # px, least and most
_TURNS = (0, 90, 180, 270)  # degrees of the second looks; every other one is mirrored
_BORDER = cv2.BORDER_REPLICATE  # beyond the image; black hides more hands
_SAME = 0.35  # least IoU of two boxes of one hand
_INSIDE = 0.75  # part of the smaller box inside the larger: part of a hand taken for another hand
_OTHER_SIDE: dict[Side, Side] = {"left": "right", "right": "left"}


class View(NamedTuple):
    """An image made of the source image."""

    image: np.ndarray  # (h, w, 3) uint8 RGB
    affine: np.ndarray  # (2, 3), px of the source -> px of `image`
    is_mirrored: bool = False


class ThoroughDetector:
    """Finds more hands with fewer false ones than a single look, in about 10 looks an image.

    The score of a hand is its mean score in four second looks; one that does not find it, or takes
    it for the other side, counts 0. The landmarks are their median. Works with any detector.

    Args:
        first: looks at the image and its parts; should find faint hands too.
        second: looks again, at crops around the hands that `first` found; should be strict.
        min_score: 0..1; hands below it are left out.
        num_hands: largest number of hands in an image; those with the best scores are kept.
    """

    def __init__(
        self, first: Detector, second: Detector, *, min_score: float, num_hands: int
    ) -> None:
        self._first = first
        self._second = second
        self._min_score = min_score
        self._num_hands = num_hands

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Return the hands of an image (H, W, 3) uint8 RGB, best score first."""
        candidates = without_repeats(
            hand for view in first_views(image) for hand in seen_in(view, self._first)
        )
        hands = [self._look_again(image, candidate.box) for candidate in candidates]
        return [
            hand
            for hand in without_repeats(hand for hand in hands if hand is not None)
            if hand.score >= self._min_score
        ][: self._num_hands]

    def close(self) -> None:
        """Close both detectors, where they can be closed."""
        for detector in (self._first, self._second):
            getattr(detector, "close", lambda: None)()

    def _look_again(self, image: np.ndarray, box: np.ndarray) -> Detection | None:
        """Return the hand in `box` (3,) as the second looks see it; None if none of them does."""
        found = []
        for turn in _TURNS:
            hands = seen_in(crop(image, box, turn, mirror=turn % 180 == 90), self._second)
            nearest = max(hands, key=lambda hand: overlap(hand.box, box), default=None)
            if nearest is not None and overlap(nearest.box, box) >= _SAME:
                found.append(nearest)
        return _agreed(found)


def _agreed(found: list[Detection]) -> Detection | None:
    """Return one hand for those of the second looks: the median of their landmarks."""
    if not found:
        return None
    total = {side: sum(hand.score for hand in found if hand.side == side) for side in _OTHER_SIDE}
    side: Side = max(total, key=lambda name: total[name])
    uv = np.median([hand.uv for hand in found], axis=0).astype(np.float32)
    has_landmarks = np.isfinite(uv).all()
    box = joint_box(uv) if has_landmarks else np.median([hand.box for hand in found], axis=0)
    return Detection(box.astype(np.float32), side, total[side] / len(_TURNS), uv)


def first_views(image: np.ndarray) -> Iterator[View]:
    """Yield the whole image, and overlapping square parts of it.

    Args:
        image: (H, W, 3).
    """
    height, width = image.shape[:2]
    yield View(image, np.eye(2, 3))
    shorter, longer = sorted((height, width))
    side = math.ceil(min(_PART * longer, max(shorter, _LEAST_PART * longer)))
    for top, left in product(_starts(height, side), _starts(width, side)):
        part = np.ascontiguousarray(image[top : top + side, left : left + side])
        yield View(part, np.array([[1.0, 0, -left], [0, 1, -top]]))


def _starts(length: int, side: int) -> list[int]:
    """Return where parts of `side` px begin, evenly spread, at most half a side apart."""
    gap = max(length - side, 0)
    return np.linspace(0, gap, 1 + -(-2 * gap // side)).round().astype(int).tolist()


def crop(image: np.ndarray, box: np.ndarray, turn: float, *, mirror: bool) -> View:
    """Return the surroundings of a box, turned about its centre; black beyond the image.

    Args:
        image: (H, W, 3).
        box: (3,) px.
        turn: degrees.
        mirror: whether left becomes right.
    """
    wanted = _SECOND_LOOK * float(box[2])
    side = int(np.clip(wanted, *_CROP_SIDES))
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    linear = side / wanted * np.array([[cosine, -sine], [sine, cosine]])
    if mirror:
        linear[0] = -linear[0]
    shift = (side - 1) / 2 - linear @ box[:2]
    affine = np.column_stack((linear, shift))
    image = cv2.warpAffine(image, affine, (side, side), borderMode=_BORDER)
    return View(image, affine, mirror)


def seen_in(view: View, detector: Detector) -> Iterator[Detection]:
    """Yield the hands of a view, in the frame of its source image."""
    back = maps.invert(view.affine)
    scale = np.sqrt(abs(np.linalg.det(back[:, :2])))
    for hand in detector(view.image):
        centre = maps.apply(back, hand.box[None, :2])[0]
        yield Detection(
            box=np.array([*centre, scale * hand.box[2]], dtype=np.float32),
            side=_OTHER_SIDE[hand.side] if view.is_mirrored else hand.side,
            score=hand.score,
            uv=maps.apply(back, hand.uv).astype(np.float32),
        )


def without_repeats(hands: Iterator[Detection]) -> list[Detection]:
    """Return the hands, best score first, without those that overlap a better one."""
    kept: list[Detection] = []
    for hand in sorted(hands, key=lambda hand: -hand.score):
        if not any(_is_repeat(hand.box, other.box) for other in kept):
            kept.append(hand)
    return kept


def _is_repeat(one: np.ndarray, other: np.ndarray) -> bool:
    inside = _common(one, other) / min(one[2], other[2]) ** 2
    return overlap(one, other) >= _SAME or inside >= _INSIDE


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over the union of two boxes (3,)."""
    common = _common(one, other)
    return common / float(one[2] ** 2 + other[2] ** 2 - common)


def _common(one: np.ndarray, other: np.ndarray) -> float:
    """Return the area of the intersection, px^2."""
    low = np.maximum(one[:2] - one[2] / 2, other[:2] - other[2] / 2)
    high = np.minimum(one[:2] + one[2] / 2, other[:2] + other[2] / 2)
    return float(np.prod(np.clip(high - low, 0, None)))
