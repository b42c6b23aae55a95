"""Warps and halvings on the device are OpenCV's, in the slot of another size as well."""

import cv2
import numpy as np
import pytest
import torch
from similarities import similarity

from handpose.augment.device.warp import halve, pack, sample
from handpose.geometry import affine as maps

SLOT = 71


def _in_slots(images: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Images in the upper left of slots that are full of another colour."""
    pixels = np.full((len(images), SLOT, SLOT, 3), 199, np.uint8)
    for slot, image in zip(pixels, images, strict=True):
        slot[: image.shape[0], : image.shape[1]] = image
    sizes = [[image.shape[1], image.shape[0]] for image in images]
    return torch.from_numpy(pixels), torch.tensor(sizes)


def _images(rng: np.random.Generator) -> list[np.ndarray]:
    shapes = [(1, 1), (1, 2), (2, 1), (7, 5), (64, 33), (33, 64), (SLOT, SLOT), (SLOT, 2)]
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


def test_views_are_those_of_opencv(rng: np.random.Generator) -> None:
    """White noise, at every angle, reflected several times."""
    images, size = _images(rng), 40
    pixels, sizes = _in_slots(images)
    for _ in range(20):
        inverses, expected = [], []
        for image in images:
            centre = rng.uniform(-80, 160, 2)
            turn, scale = rng.uniform(-3.2, 3.2), rng.uniform(0.5, 3)
            affine = similarity(turn, scale, centre, np.full(2, (size - 1) / 2))
            wide = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
            view = cv2.warpAffine(wide, affine, (size, size), borderMode=cv2.BORDER_REFLECT_101)
            inverses.append(maps.invert(affine))
            expected.append(view[..., :3].transpose(2, 0, 1))
        maps32 = torch.from_numpy(np.array(inverses, np.float32))
        rows = torch.arange(len(images))
        views = sample(pack(pixels), rows, sizes, maps32, size).numpy()
        difference = np.abs(views.astype(int) - expected)
        assert (difference.max() <= 1, (difference == 0).mean() > 0.99) == (True, True)


def test_the_identity_is_exact_and_a_constant_stays_one(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    pixels, sizes = _in_slots([image, np.full((9, 9, 3), 7, np.uint8)])
    turned = similarity(0.3, 0.1, np.zeros(2), np.zeros(2))
    affines = torch.from_numpy(np.array([np.eye(2, 3), maps.invert(turned)], np.float32))
    views = sample(pack(pixels), torch.arange(2), sizes, affines, 32)
    assert np.array_equal(views[0].numpy().transpose(1, 2, 0), image)
    assert (views[1] == 7).all()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_halvings_are_those_of_opencv(times: int, rng: np.random.Generator) -> None:
    """INTER_AREA of even sizes; an odd last row or column is repeated first."""
    images = _images(rng)
    pixels, sizes = _in_slots(images)
    for _ in range(times):
        pixels, sizes = halve(pixels, sizes), (sizes + 1) >> 1
    for slot, image in zip(pixels.numpy(), images, strict=True):
        small = image
        for _ in range(times):
            odd = [side % 2 for side in small.shape[:2]]
            even = cv2.copyMakeBorder(small, 0, odd[0], 0, odd[1], cv2.BORDER_REPLICATE)
            half = even.shape[1] // 2, even.shape[0] // 2
            small = cv2.resize(even, half, interpolation=cv2.INTER_AREA)
        assert np.array_equal(slot[: small.shape[0], : small.shape[1]], small)
