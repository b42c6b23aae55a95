"""The reach crop holds all that views can show and little more, so views of it are the image's."""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from warped import warped

from handpose.augment.appearance import render
from handpose.augment.reach import Reach, onto_crops, reach_of
from handpose.augment.views import draw_views, render_views
from handpose.geometry import affine as maps

GEOMETRY = ("rotate", "crop", "random_crop")
RANGES = [
    {},
    {"angle": (20, 70)},
    {"angle": (100, 180), "shift": (0.05, 0.3)},
    {"angle": (-180, 180), "shift_along": "view"},
    {"angle": (-10, 60), "shift": (-0.3, -0.1), "shift_along": "view", "margin_range": (0.5, 0.8)},
]


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _corners(size: int) -> np.ndarray:
    """The outer corners of a view, half a px beyond the centres of its pixels."""
    ends = (-0.5, size - 0.5)
    return np.array([[u, v] for u in ends for v in ends])


@pytest.mark.parametrize("ranges", RANGES)
@pytest.mark.parametrize("side", ["right", "left"])
def test_the_reach_holds_every_view_and_is_touched_by_some(
    ranges: dict, side: str, make_sample: Callable, make_settings: Callable
) -> None:
    settings, size = make_settings(*GEOMETRY, **ranges), 32
    sample = make_sample(np.zeros((90, 130, 3), np.uint8), side=side)
    rng, seen = np.random.default_rng(0), []
    drawn = draw_views(sample, settings, rng=rng, size=size, num_views=4000)
    for affine in drawn.affines:
        seen.append(maps.apply(maps.invert(affine), _corners(size)))
    offset = (np.concatenate(seen) - sample.box[:2]) / sample.box[2]
    reach = reach_of([settings], size)
    sides = [reach.left, reach.right] if side == "right" else [reach.right, reach.left]
    stated = np.array([sides[0], reach.up, sides[1], reach.down])
    found = np.concatenate((-offset.min(axis=0), offset.max(axis=0)))
    assert (found <= stated + 1e-6).all()
    assert (found >= stated - 0.06).all()


def test_a_union_reaches_as_far_as_each_part(make_settings: Callable) -> None:
    near, far = make_settings(margin=1.0), make_settings(*GEOMETRY)
    both, alone = reach_of([near, far], 64), reach_of([far], 64)
    assert (both.left, both.finest, both.coarsest) == (alone.left, alone.finest, alone.coarsest)
    tight = make_settings(margin=0.4)
    assert reach_of([tight, far], 64).finest == 0.4
    assert reach_of([far, tight], 64) == reach_of([tight, far], 64)


def test_equal_crops_have_equal_reaches(make_settings: Callable) -> None:
    settings = make_settings(*GEOMETRY)
    reach = reach_of([settings], 64)
    assert reach_of([dataclasses.replace(settings, hue=(0, 1))], 64) == reach
    assert reach_of([settings], 65) != reach
    assert reach_of([dataclasses.replace(settings, angle=(-44, 44))], 64) != reach


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    ("height", "width", "most"), [(150, 190, 1), (719, 1277, 3), (2001, 3001, 3)]
)
def test_views_of_the_crop_are_those_of_the_whole_image(
    height: int, width: int, most: int, side: str, make_sample: Callable, make_settings: Callable
) -> None:
    """At most one grey level apart; where an odd border is averaged, as much as its repetition."""
    settings, size = make_settings(*GEOMETRY), 48
    image = cv2.GaussianBlur(_noise(height, width), (0, 0), width / 100)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        box = np.array([*rng.uniform(-20, (width + 20, height + 20)), rng.uniform(30, height)])
        sample = make_sample(image, side=side)._replace(box=box.astype(np.float32))
        drawn = draw_views(sample, settings, rng=rng, size=size)
        cropped = reach_of([settings], size).crop(sample)
        shown = np.empty((2, 3, size, size), dtype=np.uint8)
        render_views(cropped, drawn, shown)
        for view, affine in enumerate(drawn.affines):
            plain = warped(sample.image, affine, size).astype(int)
            moved = affine if cropped.crop is None else onto_crops(affine, cropped.crop.affine)
            mine = warped(cropped.image, moved, size)
            assert np.abs(mine - plain).max() <= most
            assert np.array_equal(shown[view].transpose(1, 2, 0), render(mine, drawn.looks[view]))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (480, 640), (720, 1280), (3001, 2003)])
def test_a_crop_is_less_than_twice_as_fine_as_the_finest_view(
    height: int, width: int, make_sample: Callable, make_settings: Callable
) -> None:
    settings, size = make_settings(*GEOMETRY), 64
    sample = make_sample(_noise(height, width))
    reach = reach_of([settings], size)
    cropped = reach.crop(sample)
    finest = size / (sample.box[2] * settings.margin_range[0])  # px of a view / px of the source
    scale = cropped.crop.affine[0, 0]
    assert (finest / scale < 2) or scale == 1
    assert finest / scale >= 0.5
    sides = np.array(cropped.image.shape[1::-1])
    block = 16 * scale
    reached = (reach.left + reach.right) * sample.box[2] * scale
    assert (sides <= reached + 2 * block + 4 * max(1, 1 / finest)).all()
    assert (sides <= np.ceil(np.array([width, height]) * scale)).all()


def test_every_pixel_of_a_crop_lies_where_its_map_says(
    make_sample: Callable, make_settings: Callable
) -> None:
    """A ramp has, at each px of the crop, the value of the place in the source."""
    v, u = np.mgrid[:512, :768]
    ramp = np.stack([u / 4, v / 4, u * 0], axis=2).astype(np.uint8)
    sample = make_sample(ramp)._replace(box=np.array([500, 240, 300], np.float32))
    cropped = reach_of([make_settings("rotate")], 32).crop(sample)
    height, width = cropped.image.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    places = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(float)
    source = maps.apply(maps.invert(cropped.crop.affine), places)
    stated = cropped.image.reshape(-1, 3)[:, :2]
    assert cropped.crop.affine[0, 0] == 0.125
    assert np.abs(stated - (source - 1.5) / 4).max() <= 1


def test_a_cropped_sample_is_not_cropped_again(
    make_sample: Callable, make_settings: Callable
) -> None:
    reach = reach_of([make_settings()], 16)
    once = reach.crop(make_sample(_noise(300, 400)))
    assert reach.crop(once) is once
    assert once.crop[1:] == (400, 300)


def test_a_reach_is_a_value() -> None:
    one = Reach(1, 1, 1, 1, 0.9, 1.5, 64)
    assert one == Reach(1, 1, 1, 1, 0.9, 1.5, 64)
    assert len({one, Reach(1, 1, 1, 1, 0.9, 1.5, 64)}) == 1
