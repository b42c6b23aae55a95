"""Four channels show the pixels of three, and memory is used again only when nobody reads it."""

import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from warped import warped

from handpose.augment.geometric import halved
from handpose.augment.pixels import new_image, reusing_memory, with_fourth, with_own_fourth
from handpose.augment.reach import Window
from handpose.data.images import read_image


@pytest.fixture
def reusing() -> Iterator[None]:
    with reusing_memory():
        yield


def _write(path: Path, seed: int, width: int = 96, height: int = 80) -> Path:
    noise = np.random.default_rng(seed).normal(0, 400, (height, width, 3))
    pixels = np.clip(cv2.GaussianBlur(noise, (0, 0), 3) + 128, 0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=92)
    path.write_bytes(content.getvalue())
    return path


@pytest.mark.parametrize("width", [96, 101])
def test_a_jpeg_has_the_same_pixels_with_a_fourth_channel(tmp_path: Path, width: int) -> None:
    path = _write(tmp_path / "hand.jpg", 0, width)
    expected = read_image(path)
    with reusing_memory():
        image = read_image(path)
    assert expected.flags.c_contiguous
    assert image.shape == expected.shape
    assert np.array_equal(image, expected)
    assert with_own_fourth(image).shape[2] == 4
    assert with_own_fourth(expected) is expected


def test_an_image_that_somebody_holds_is_never_written_over(tmp_path: Path, reusing: None) -> None:
    """Held whole, or in part, however many there are."""
    paths = [_write(tmp_path / f"{seed}.jpg", seed) for seed in range(8)]
    parts = [read_image(path)[3:40, 5:60] for path in paths]
    rows = [read_image(path)[7] for path in paths]
    for path, part, row in zip(paths, parts, rows, strict=True):
        image = read_image(path).copy()
        assert np.array_equal(part, image[3:40, 5:60])
        assert np.array_equal(row, image[7])


def test_memory_that_nobody_holds_is_used_again(reusing: None) -> None:
    addresses = set()
    for _ in range(20):
        image = new_image(100, 90)[10:, 10:, :3]
        addresses.add(image.__array_interface__["data"][0])
        del image
    assert len(addresses) == 1


def test_memory_grows_with_the_images(reusing: None) -> None:
    for side in (10, 1000, 20, 2000, 30):
        image = new_image(side, side)
        image[:] = side % 256
        assert image.shape == (side, side, 4)
        del image


def test_no_image_in_used_memory_begins_at_an_aligned_place(reusing: None) -> None:
    """A decoder writes past the caches there."""
    images = [new_image(height, 24) for height in (1, 50, 200, 3)]
    places = {image.__array_interface__["data"][0] % 32 for image in images}
    assert places == {16}


def test_outside_every_image_has_memory_of_its_own() -> None:
    first = new_image(50, 50)
    place = first.__array_interface__["data"][0]
    assert first.base is None
    with reusing_memory():
        assert new_image(50, 50).base is not None
    assert new_image(50, 50).base is None
    assert place == first.__array_interface__["data"][0]


@pytest.mark.parametrize(
    "part", [np.s_[:, :], np.s_[3:70, 11:53], np.s_[79:, 95:], np.s_[10:11, :]]
)
def test_a_part_finds_its_own_fourth_channel(part: tuple[slice, slice]) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (80, 96, 4), np.uint8)
    own = with_own_fourth(wide[..., :3][part])
    assert np.shares_memory(own, wide)
    assert np.array_equal(own, wide[part])


@pytest.mark.parametrize(
    "make",
    [
        lambda wide: wide[..., 1:],  # other channels
        lambda wide: wide[..., 2::-1],
        lambda wide: wide[::2, :, :3],
        lambda wide: wide[:, ::-1, :3],
        lambda wide: wide[..., :3].copy(),
        lambda wide: np.asfortranarray(wide)[..., :3],
    ],
)
def test_what_is_no_part_of_four_channels_is_copied(make: object) -> None:
    image = make(np.random.default_rng(0).integers(0, 256, (16, 16, 4), np.uint8))
    assert with_own_fourth(image) is image
    assert np.array_equal(with_fourth(image)[..., :3], image)


@pytest.mark.parametrize("shape", [(64, 96), (63, 95)])
def test_views_do_not_depend_on_the_fourth_channel(shape: tuple[int, int]) -> None:
    """Neither halved before the views are made, nor in between."""
    wide = np.random.default_rng(0).integers(0, 256, (*shape, 4), np.uint8)
    beside, alone = wide[..., :3], wide[..., :3].copy()
    assert np.array_equal(halved(wide)[..., :3], halved(alone))
    window = Window(slice(16, 64), slice(0, 48), 1)
    assert np.array_equal(window.cut(beside), window.cut(alone))
    for scale in (0.9, 0.3):
        affine = scale * np.array([[0.8, -0.6, 10.0], [0.6, 0.8, -8.0]])
        views = [warped(image, affine, 32) for image in (beside, alone)]
        assert np.array_equal(*views)
