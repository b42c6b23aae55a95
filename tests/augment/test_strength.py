"""`strength` scales how far the ranges of an augmentation reach."""

import dataclasses
import math

import numpy as np
import pytest

from handpose.augment.appearance import NEUTRAL, sample_appearance
from handpose.augment.settings import Augmentation
from handpose.objectives.relative import sampling_scales


def test_ranges_reach_twice_as_far() -> None:
    plain, strong = Augmentation(), Augmentation(strength=2)
    assert strong.angle == (-90, 90)
    assert strong.shift == (-0.2, 0.2)
    assert strong.bias == (10, 40)
    assert strong.gain == pytest.approx((0.25, 1.0))
    assert strong.saturation == pytest.approx((0.04, 1.0))
    assert strong.margin == plain.margin
    for own, end in zip(strong.margin_range, plain.margin_range, strict=True):
        assert math.log(own / plain.margin) == pytest.approx(2 * math.log(end / plain.margin))
    assert (strong.probability, strong.noise_std) == (1.0, 50)


def test_none_leaves_views_as_they_are() -> None:
    still = Augmentation(strength=0)
    assert still.angle == still.shift == (0, 0)
    assert still.margin_range == (still.margin, still.margin)
    for seed in range(50):
        drawn = sample_appearance(np.random.default_rng(seed), still, 64)
        assert drawn.colour == NEUTRAL
        assert (drawn.grey, drawn.blur, drawn.noise, drawn.sobel) == (False, 0, 0, False)
        assert drawn.cutout[2:4] == (0, 0) or drawn.cutout == (0, 0, 0, 0, 0)


def test_bounds_cut_what_reaches_too_far() -> None:
    assert Augmentation(strength=3).hue == (-90, 90)
    with pytest.raises(ValueError, match=r"augment\.strength"):
        Augmentation(strength=3.5)


def test_a_copy_is_not_scaled_again() -> None:
    strong = Augmentation(strength=2)
    assert dataclasses.replace(strong, rotate=False).angle == strong.angle


def test_the_targets_of_relative_are_standardised_by_the_scaled_ranges() -> None:
    plain, strong = (sampling_scales(Augmentation(strength=s)) for s in (1, 2))
    assert strong["log_scale"][0] == pytest.approx(2 * plain["log_scale"][0])
    assert strong["colour"][0] == pytest.approx(2 * plain["colour"][0])
