"""Drawings of hands: every joint in its place, sides told apart, uncertain ones faint."""

from collections.abc import Callable

import numpy as np
import pytest

from handpose.predict import Given
from handpose.predict.drawing import draw_hands
from handpose.predict.hand import Hand, low_joints


@pytest.fixture
def hand(make_hand_pose: Callable, picture: np.ndarray) -> Hand:
    (found,) = make_hand_pose().predict([picture], Given(box=(60.0, 45.0, 60.0)))
    uv = np.stack((np.linspace(220, 380, 21), np.linspace(280, 130, 21)), axis=1)
    uv[8] = (235, 130)  # apart from the other bones
    return found._replace(
        uv=uv,
        box=np.array([300.0, 205.0, 200.0]),
        joint_confidence=np.full(21, 0.9),
        confidence=0.9,
    )


@pytest.fixture
def canvas() -> np.ndarray:
    return np.full((400, 640, 3), 90, np.uint8)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.abs(after.astype(int) - before).max(axis=2)


def test_nothing_is_drawn_without_a_hand(canvas: np.ndarray) -> None:
    drawn = draw_hands(canvas, [])
    assert np.array_equal(drawn, canvas)
    assert drawn is not canvas


def test_joints_are_where_they_are_and_the_rest_is_left(hand: Hand, canvas: np.ndarray) -> None:
    before = canvas.copy()
    difference = changed(canvas, draw_hands(canvas, [hand]))
    assert np.array_equal(canvas, before)
    for u, v in hand.uv.round().astype(int):
        assert difference[v - 2 : v + 3, u - 2 : u + 3].max() > 60
    assert difference[:, :180].max() == difference[:, 430:].max() == 0


def test_sides_have_colours_of_their_own(hand: Hand, canvas: np.ndarray) -> None:
    edge = slice(250, 270), slice(196, 206)  # of the box
    right, left = (draw_hands(canvas, [hand._replace(side=s)])[edge] for s in ("right", "left"))
    assert np.ptp(right.reshape(-1, 3)[right.sum(axis=2).argmax()].astype(int)) < 20, "white"
    assert changed(right, left).max() > 60


def test_what_is_uncertain_is_faint(hand: Hand, canvas: np.ndarray) -> None:
    low = hand.joint_confidence.copy()
    low[8] = 0.1
    doubtful = hand._replace(joint_confidence=low)
    assert low_joints(doubtful, 0.5)[1].nonzero()[0].tolist() == [8]
    u, v = hand.uv[8].round().astype(int)
    tip = slice(v - 3, v + 4), slice(u - 3, u + 4)
    sure = changed(canvas, draw_hands(canvas, [doubtful]))
    faint = changed(canvas, draw_hands(canvas, [doubtful], min_confidence=0.5))
    assert 5 < faint[tip].max() < 0.6 * sure[tip].max()
    u, v = hand.uv[20].round().astype(int)
    assert faint[v - 2 : v + 3, u - 2 : u + 3].max() > 60, "the others stay"
    whole = draw_hands(canvas, [hand._replace(confidence=0.2)], min_confidence=0.5)
    assert 5 < changed(canvas, whole).max() < 0.5 * sure.max()


def test_without_confidence_nothing_is_faint(hand: Hand, canvas: np.ndarray) -> None:
    unknown = hand._replace(confidence=None, joint_confidence=None)
    assert low_joints(unknown, 0.5) == (False, pytest.approx(np.zeros(21)))
    drawn = draw_hands(canvas, [unknown], min_confidence=0.5)
    assert np.array_equal(drawn, draw_hands(canvas, [unknown]))


@pytest.mark.parametrize("shift", [(-300, 0), (0, 300), (-1e7, 1e7), (400, -200)])
def test_a_hand_beyond_the_border_does_no_harm(
    hand: Hand, canvas: np.ndarray, shift: tuple[float, float]
) -> None:
    moved = hand._replace(uv=hand.uv + shift, box=hand.box + np.array([*shift, 0]))
    assert draw_hands(canvas, [moved]).shape == canvas.shape
    far = hand._replace(uv=np.where(np.arange(21)[:, None] == 3, 1e6, hand.uv))
    assert changed(canvas, draw_hands(canvas, [far])).max() > 60
    nan = hand._replace(uv=np.where(np.arange(21)[:, None] == 3, np.nan, hand.uv))
    assert changed(canvas, draw_hands(canvas, [nan])).max() > 60
