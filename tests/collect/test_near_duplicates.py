"""Hands that look as one before are left out; others, and those of the other side, are not."""

import json

import numpy as np
import pytest
from wild_video import rendered_cards

from handpose.collect.crops import CutHand
from handpose.collect.near_duplicates import NearDuplicates
from handpose.data.synthetic.render import RenderedHand
from handpose.detect.base import Detection


def cut(hand: RenderedHand, side: str = "right") -> CutHand:
    return CutHand(hand.box, hand.uv, Detection(hand.box, side, 1.0, hand.uv))


def test_noise_and_light_are_no_change(rng: np.random.Generator) -> None:
    near = NearDuplicates(8.0)
    for hand in rendered_cards()[:6]:
        assert near.is_new(hand.image, cut(hand))
        for shift in (-1, 0, 1):
            noisy = hand.image + rng.normal(12, 6, hand.image.shape)
            moved = np.roll(noisy.clip(0, 255).astype(np.uint8), shift, axis=1)
            assert not near.is_new(moved, cut(hand))


def test_other_hands_are_new_and_each_side_has_its_own() -> None:
    near, hands = NearDuplicates(8.0), rendered_cards()
    assert all(near.is_new(hand.image, cut(hand)) for hand in hands)
    assert near.is_new(hands[-1].image, cut(hands[-1], "left"))
    assert not near.is_new(hands[-8].image, cut(hands[-8]))
    assert near.is_new(hands[-9].image, cut(hands[-9])), "forgotten"


def test_a_change_of_0_keeps_everything() -> None:
    near, hand = NearDuplicates(0.0), rendered_cards()[0]
    assert all(near.is_new(hand.image, cut(hand)) for _ in range(3))


@pytest.mark.parametrize("seen", [0, 3, 20])
def test_the_state_is_all_that_is_remembered(seen: int) -> None:
    near, hands = NearDuplicates(8.0), rendered_cards()
    for hand in hands[:seen]:
        near.is_new(hand.image, cut(hand))
    again = NearDuplicates(8.0, json.loads(json.dumps(near.state())))
    for hand in hands:
        assert near.is_new(hand.image, cut(hand)) == again.is_new(hand.image, cut(hand))
    assert near.state() == again.state()
