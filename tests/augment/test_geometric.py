"""The drawn numbers, and that an image is averaged before a coarser view is made of it."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from similarities import similarity
from warped import warped

from handpose.augment.appearance import colour_matrix, sample_appearance
from handpose.augment.geometric import halved, halvings, sample_affine, within
from handpose.geometry import affine as maps


def _picture(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(5).normal(0, 700, (height, width, 3))
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 6) + 128, 0, 255).astype(np.uint8)


def test_draws_are_those_of_numpy_uniform(make_settings: Callable) -> None:
    """In the stated order, so that a run repeats whatever the code that draws looks like."""
    settings = make_settings("rotate", "crop", "random_crop", "colour_jitter")
    fast, plain = np.random.default_rng(7), np.random.default_rng(7)
    box, size = np.array([100.0, 90.0, 80.0], np.float32), 64
    for _ in range(3):
        affine = sample_affine(fast, settings, box, size)
        look = sample_appearance(fast, settings, size)
        turn, margin = plain.uniform(*settings.angle), plain.uniform(*settings.margin_range)
        centre = box[:2] + plain.uniform(*settings.shift, size=2) * 80
        middle = np.full(2, (size - 1) / 2)
        expected = similarity(np.deg2rad(turn), size / (80 * margin), centre, middle)
        assert affine == pytest.approx(expected, abs=1e-5)
        ranges = (settings.hue, settings.saturation, settings.gain, settings.bias)
        hue, *rest = (plain.uniform(*bounds) for bounds in ranges)
        assert look.colour == (np.deg2rad(hue), *rest)
        plain.random(5)
        plain.uniform(*settings.blur_sigma)
        assert look.noise_seed == plain.integers(2**31)
        plain.random(4)
    assert fast.random() == plain.random()


def test_a_shift_goes_along_the_axes_of_the_image_or_of_the_turned_view(
    make_settings: Callable,
) -> None:
    """Of the image: the crop's centre is the same without a turn. Of the view: the box is there."""
    box, size, margin = np.array([100.0, 90.0, 80.0], np.float32), 64, 1.25
    moved = dict(shift=(0.1, 0.1), margin=margin, angle=(20, 70))
    middle = (size - 1) / 2
    for seed in range(5):
        for along in ("source", "view"):
            settings = make_settings("rotate", "crop", shift_along=along, **moved)
            affine = sample_affine(np.random.default_rng(seed), settings, box, size)
            centre = maps.apply(maps.invert(affine), np.array([[middle, middle]]))[0]
            seen = maps.apply(affine, box[None, :2].astype(np.float64))[0]
            is_there = np.abs(centre - box[:2] - 8).max() < 1e-4
            is_shifted = np.abs(seen - (middle - 0.1 / margin * size)).max() < 1e-4
            assert (is_there, is_shifted) == (along == "source", along == "view")


def test_within_covers_its_bounds() -> None:
    assert (within((-3, 5), 0.0), within((-3, 5), 0.5)) == (-3, 1)


@pytest.mark.parametrize("mirrored", [False, True])
def test_small_images_give_the_pixels_of_one_plain_warp(mirrored: bool) -> None:
    """Reflected at the border or far outside."""
    image, rng, size = _picture(150, 190), np.random.default_rng(0), 48
    for _ in range(60):
        turn, scale = rng.uniform(-3.1, 3.1), rng.uniform(0.55, 2)
        centre, middle = rng.uniform(-90, 260, 2), np.full(2, (size - 1) / 2)
        affine = similarity(turn, scale, centre, middle)
        if mirrored:
            affine = maps.compose(affine, maps.mirror(190))
        plain = cv2.warpAffine(image, affine, (size, size), borderMode=cv2.BORDER_REFLECT_101)
        assert np.abs(warped(image, affine, size).astype(int) - plain).max() <= 1


def _halved(image: np.ndarray, times: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each block of 2^times px, and the map of that."""
    block, (height, width) = 2**times, image.shape[:2]
    blocks = image.reshape(height // block, block, width // block, block, 3)
    small = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return small, maps.resize((width, height), (width // block, height // block))


@pytest.mark.parametrize(("lowest", "highest", "times"), [(0.26, 0.49, 1), (0.13, 0.24, 2)])
def test_a_large_image_is_averaged_where_it_is_seen(
    lowest: float, highest: float, times: int
) -> None:
    """As if the whole image had been averaged over blocks first."""
    image, rng, size = _picture(720, 1280), np.random.default_rng(1), 96
    small, shrink = _halved(image, times)
    for _ in range(12):
        turn, centre = rng.uniform(-1, 1), rng.uniform((-90, -90), (1370, 810))
        scale = rng.uniform(lowest, highest)
        affine = similarity(turn, scale, centre, np.full(2, (size - 1) / 2))
        of_small = maps.compose(affine, maps.invert(shrink))
        whole = cv2.warpAffine(small, of_small, (size, size), borderMode=cv2.BORDER_REFLECT_101)
        assert np.abs(warped(image, affine, size).astype(int) - whole).max() <= 3


def test_halvings_leave_an_image_less_than_twice_as_fine_as_the_view() -> None:
    assert [halvings(scale) for scale in (3, 1, 0.5, 0.499, 0.25, 0.2499)] == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 8), (6, 9), (7, 9), (1, 1)])
def test_halving_is_the_rounded_mean_and_repeats_an_odd_edge(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    whole = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(int)
    a, b, c, d = (whole[v::2, u::2] for v in (0, 1) for u in (0, 1))
    assert np.array_equal(halved(image), (a + b + c + d + 2) >> 2)


def test_colour_matrix_is_a_turn_about_grey(rng: np.random.Generator) -> None:
    """Against the map's definition: g (m + s R(h) (c - m)) + b, R by Rodrigues' formula."""
    axis = np.full(3, 1 / np.sqrt(3))
    for _ in range(5):
        colour, rgb = rng.uniform((-1, 0.1, 0.4, -9), (1, 1.5, 1.4, 9)), rng.uniform(0, 255, 3)
        hue, saturation, gain, bias = colour
        grey = np.full(3, rgb.mean())
        turned = cv2.Rodrigues(hue * axis)[0] @ (rgb - grey)
        expected = gain * (grey + saturation * turned) + bias
        assert colour_matrix(colour) @ [*rgb, 1] == pytest.approx(expected)
