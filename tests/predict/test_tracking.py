"""Hands keep their numbers over a video, and each track is smoothed for itself."""

import numpy as np
import pytest

from handpose.predict.hand import Hand
from handpose.predict.one_euro import OneEuroFilter
from handpose.predict.tracking import Tracker, match


def hand(u: float, v: float = 50.0, *, size: float = 40.0, side: str = "right") -> Hand:
    xyz = np.arange(63.0).reshape(21, 3) / 1000 + u / 1000
    uv = np.full((21, 2), (u, v))
    box = np.array([u, v, size])
    return Hand(uv, xyz, xyz + np.array([0, 0, 0.5]), box, side, "index", 0.09, [])


def numbers(hands: list[Hand]) -> list[int | None]:
    return [one.track for one in hands]


def test_the_nearest_are_paired_first() -> None:
    def place(u: float, size: float = 40.0, side: str | None = None) -> tuple:
        return np.array([u, 50.0, size]), side

    assert match([place(0), place(30)], [place(28), place(3)]) == [(0, 1), (1, 0)]
    assert match([place(0), place(10)], [place(8)]) == [(1, 0)], "each once"
    assert match([place(0)], [place(41)]) == [], "too far"
    assert match([place(0)], [place(0, size=120)]) == [], "of another size"
    left, right = place(0, side="left"), place(6, side="right")
    assert match([left, right], [place(4, side="left"), place(3, side="right")]) == [(0, 0), (1, 1)]
    assert match([left], [place(2, side="right")]) == [(0, 0)], "detectors mistake sides"
    assert match([], [place(0)]) == []


def test_numbers_stay_with_their_hands() -> None:
    tracker = Tracker()
    for frame in range(20):
        a, b = hand(10 + 5 * frame), hand(300 - 5 * frame)
        hands = [a, b] if frame % 2 else [b, a]
        found = tracker.update(hands, frame=frame, time=frame / 30)
        by_place = {one.box[0]: one.track for one in found}
        assert by_place == {a.box[0]: 1, b.box[0]: 0}, frame
    third = tracker.update([hand(110), hand(200), hand(500)], frame=20, time=20 / 30)
    assert numbers(third) == [1, 0, 2]


def test_a_hand_that_was_gone_for_too_long_is_a_new_one() -> None:
    tracker = Tracker(max_gap=3)
    assert numbers(tracker.update([hand(50)], frame=0, time=0.0)) == [0]
    assert numbers(tracker.update([], frame=1, time=0.1)) == []
    assert numbers(tracker.update([hand(52)], frame=4, time=0.4)) == [0], "three frames without"
    assert numbers(tracker.update([hand(52)], frame=9, time=0.9)) == [1], "four frames without"


def test_each_track_is_smoothed_by_a_filter_of_its_own() -> None:
    rng = np.random.default_rng(0)
    tracker = Tracker(smoothing=(1.0, 0.5))
    alone = {side: OneEuroFilter(min_cutoff=1.0, beta=0.5) for side in ("left", "right")}
    metres = OneEuroFilter(min_cutoff=1.0, beta=0.5)
    for frame in range(12):
        time = frame / 30
        hands = [hand(50 + rng.normal()), hand(200 + rng.normal(), side="left")]
        for raw, smooth in zip(hands, tracker.update(hands, frame=frame, time=time), strict=True):
            expected = alone[raw.side](raw.uv / 40, time) * 40  # in sides of the box
            assert np.allclose(smooth.uv, expected)
            assert np.array_equal(smooth.box, raw.box)
            if raw.side == "right":
                assert np.allclose(smooth.xyz, metres(raw.xyz / 0.2, time) * 0.2)
                assert np.abs(smooth.camera_xyz - smooth.xyz - np.array([0, 0, 0.5])).max() < 1e-9
        assert frame == 0 or np.abs(smooth.uv - raw.uv).max() > 1e-3


@pytest.mark.parametrize("gap", [0, 2])
def test_the_filter_starts_anew_behind_a_gap(gap: int) -> None:
    tracker = Tracker(smoothing=(0.5, 0.0))
    for frame in range(10):
        tracker.update([hand(50)], frame=frame, time=frame / 30)
    frame = 10 + gap
    (found,) = tracker.update([hand(70)], frame=frame, time=frame / 30)
    assert found.track == 0
    assert (found.uv[0, 0] == 70) == (gap > 0)


def test_without_smoothing_nothing_moves() -> None:
    tracker = Tracker()
    for frame in range(3):
        (found,) = tracker.update([hand(50 + frame)], frame=frame, time=frame / 30)
        assert found.uv[0, 0] == 50 + frame
