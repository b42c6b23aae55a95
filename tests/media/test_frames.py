"""Images from files, arrays and PIL images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import torch

from handpose.media.frames import Frame, as_rgb_images, read_images


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_pillow_turns_it(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "turned.png"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    PIL.Image.fromarray(pixels).save(path, exif=exif)
    with PIL.Image.open(path) as stored:
        expected = np.asarray(PIL.ImageOps.exif_transpose(stored))
    (frame,) = read_images([path], ["turned"])
    assert isinstance(frame, Frame)
    assert np.array_equal(frame.image, expected)
    assert np.array_equal(expected, pixels) == (orientation == 1)


def test_a_bad_image_is_a_reason_between_the_others(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.jpg"
    cv2.imwrite(str(good), np.zeros((20, 20, 3), np.uint8))
    bad.write_bytes(b"\xff\xd8 no picture")
    first, reason, last = read_images([good, bad, good], ["a", "b", "c"])
    assert isinstance(first, Frame)
    assert isinstance(last, Frame)
    assert isinstance(reason, ValueError)
    assert str(reason).startswith(f"{bad}: ")
    assert "\n" not in str(reason)


@pytest.fixture
def pixels() -> np.ndarray:
    """(40, 60, 3) uint8 RGB, no two channels alike."""
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def test_what_is_unambiguous_is_converted(pixels: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), pixels[..., ::-1])
    same = [pixels, path, str(path), PIL.Image.fromarray(pixels)]
    assert all(np.array_equal(image, pixels) for image in as_rgb_images(same))
    transparent = PIL.Image.fromarray(np.dstack((pixels, pixels[..., 0])))
    assert np.array_equal(as_rgb_images([transparent])[0], pixels), "the colours beneath"
    grey = pixels[..., 0]
    for image in (grey, grey[..., None], PIL.Image.fromarray(grey)):
        assert np.array_equal(as_rgb_images([image])[0], np.dstack((grey,) * 3))
    assert len(as_rgb_images(np.stack((pixels, pixels)))) == 2


def test_a_file_and_a_pil_image_are_turned_upright(pixels: np.ndarray, tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = tmp_path / "turned.png"
    PIL.Image.fromarray(pixels).save(path, exif=exif)
    for image in as_rgb_images([path, PIL.Image.open(path)]):
        assert np.array_equal(image, np.rot90(pixels, -1))


REFUSED: dict[str, tuple[Callable[[np.ndarray], Any], str]] = {
    "float in 0..1": (lambda x: (x / 255).astype(np.float32), "float32 array.*0..255"),
    "16 bits": (lambda x: x.astype(np.uint16) * 257, "uint16 array.*0..255"),
    "bool": (lambda x: x > 9, "bool array"),
    "RGBA": (lambda x: np.dstack((x, x[..., 0])), r"\(40, 60, 4\).*alpha"),
    "channels first": (lambda x: x.transpose(2, 0, 1), r"\(3, 40, 60\).*transpose"),
    "torch": (torch.from_numpy, "torch tensor.*permute"),
    "PIL, 16 bits": (lambda x: PIL.Image.fromarray(x[..., 0].astype(np.uint16)), "mode I;16"),
    "PIL, float": (lambda x: PIL.Image.fromarray(x[..., 0].astype(np.float32)), "mode F"),
    "nothing": (lambda x: None, "NoneType"),
    "a list of numbers": (lambda x: x.tolist(), "list"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_ambiguous_is_refused_with_what_to_do(pixels: np.ndarray, kind: str) -> None:
    make, said = REFUSED[kind]
    with pytest.raises(TypeError, match=rf"images\[1\]: .*{said}"):
        as_rgb_images([pixels, make(pixels)])


def test_one_image_is_not_a_list_of_them(pixels: np.ndarray, tmp_path: Path) -> None:
    one = (pixels, PIL.Image.fromarray(pixels), "hand.jpg", Path("hand.jpg"))
    for image in (*one, torch.from_numpy(pixels), 3):
        with pytest.raises(TypeError, match=r"not one .*predict\(\[image\]\)"):
            as_rgb_images(image)
    with pytest.raises(ValueError, match=r"nowhere\.jpg: cannot be read"):
        as_rgb_images([tmp_path / "nowhere.jpg"])
