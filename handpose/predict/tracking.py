"""Follows hands over the frames of a video: numbers of tracks, and smoothing along them."""

from collections.abc import Sequence

import numpy as np

from handpose.predict.hand import Hand
from handpose.predict.one_euro import OneEuroFilter

Place = tuple[np.ndarray, str | None]  # box (3,): centre u, centre v, side in px; side of the hand

_MAX_DISTANCE = 1.0  # between the boxes' centres, in their mean sides
_MAX_RATIO = 2.5  # of the boxes' sides
_OTHER_SIDE = 0.5  # a hand of the other side counts as so much farther, as detectors mistake sides
_HAND_LENGTH = 0.2  # metres, about: the unit in which metres are smoothed


def match(before: Sequence[Place], after: Sequence[Place]) -> list[tuple[int, int]]:
    """Pairs the hands of two frames, the nearest first.

    Args:
        before: of one frame.
        after: of another.

    Returns:
        Pairs of indices in `before` and `after`; each occurs at most once.
    """
    candidates = sorted(
        (distance, i, j)
        for i, first in enumerate(before)
        for j, second in enumerate(after)
        if (distance := _distance(first, second)) is not None
    )
    pairs: dict[int, int] = {}
    for _, i, j in candidates:
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return sorted(pairs.items())


def _distance(first: Place, second: Place) -> float | None:
    (one, side), (other, other_side) = first, second
    if max(one[2], other[2]) > _MAX_RATIO * min(one[2], other[2]):
        return None
    distance = 2 * float(np.hypot(*(one[:2] - other[:2]))) / float(one[2] + other[2])
    is_other = None not in (side, other_side) and side != other_side
    return distance + _OTHER_SIDE * is_other if distance <= _MAX_DISTANCE else None


class _Track:
    def __init__(self, number: int, smoothing: tuple[float, float] | None) -> None:
        self.number = number
        self.smoothing = smoothing
        self.last_frame = -2  # not the one before frame 0
        self.place: Place = (np.zeros(3), None)
        self._filters: dict[str, OneEuroFilter] = {}
        self._unit = 1.0  # px

    def follow(self, hand: Hand, frame: int, time: float) -> Hand:
        """Returns the hand with the track's number, smoothed if every frame before had it."""
        if frame > self.last_frame + 1:
            self._filters, self._unit = {}, float(hand.box[2])
        self.last_frame, self.place = frame, (hand.box, hand.side)
        hand = hand._replace(track=self.number)
        if self.smoothing is None:
            return hand
        camera_xyz = hand.camera_xyz
        if camera_xyz is not None:
            camera_xyz = self._smooth("camera_xyz", camera_xyz, _HAND_LENGTH, time)
        uv = self._smooth("uv", hand.uv, self._unit, time)
        xyz = self._smooth("xyz", hand.xyz, _HAND_LENGTH, time)
        return hand._replace(uv=uv, xyz=xyz, camera_xyz=camera_xyz)

    def _smooth(self, name: str, values: np.ndarray, unit: float, time: float) -> np.ndarray:
        if name not in self._filters:
            assert self.smoothing is not None
            min_cutoff, beta = self.smoothing
            self._filters[name] = OneEuroFilter(min_cutoff=min_cutoff, beta=beta)
        return self._filters[name](values / unit, time) * unit


class Tracker:
    """Numbers the hands of a video, from 0; the same hand keeps its number.

    Args:
        max_gap: frames without a hand after which its track ends.
        smoothing: `min_cutoff` and `beta` of One Euro filters, which start anew where a track was
            interrupted; lengths are in sides of the box, or hands. None: no smoothing.
    """

    def __init__(self, *, max_gap: int = 10, smoothing: tuple[float, float] | None = None) -> None:
        self.max_gap = max_gap
        self.smoothing = smoothing
        self._tracks: list[_Track] = []
        self._count = 0

    def update(self, hands: Sequence[Hand], *, frame: int, time: float) -> list[Hand]:
        """Returns the hands with the numbers of their tracks.

        Args:
            hands: of one frame.
            frame: its number, larger than the last one's.
            time: of the frame, seconds.
        """
        self._tracks = [t for t in self._tracks if frame - t.last_frame <= self.max_gap + 1]
        places = [(hand.box, hand.side) for hand in hands]
        known = dict(match([track.place for track in self._tracks], places))
        track_of = {row: self._tracks[index] for index, row in known.items()}
        for row in range(len(hands)):
            if row not in track_of:
                track_of[row] = _Track(self._count, self.smoothing)
                self._tracks.append(track_of[row])
                self._count += 1
        return [track_of[row].follow(hand, frame, time) for row, hand in enumerate(hands)]
