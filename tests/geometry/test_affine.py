"""Maps against matrix algebra and against cv2's own resize."""

import cv2
import numpy as np
import torch
from similarities import similarity

from handpose.geometry import affine


def _random_maps(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.stack(
        [
            similarity(rng.uniform(-3, 3), rng.uniform(0.2, 4), *rng.uniform(-9, 9, (2, 2)))
            for _ in range(count)
        ]
    )


def test_compose_applies_the_inner_map_first(rng: np.random.Generator) -> None:
    first, second = _random_maps(rng, 2)
    points = rng.normal(size=(5, 2))
    both = affine.apply(affine.compose(second, first), points)
    assert np.allclose(both, affine.apply(second, affine.apply(first, points)))
    assert not np.allclose(both, affine.apply(first, affine.apply(second, points)))


def test_invert_undoes_the_map_in_numpy_and_torch(rng: np.random.Generator) -> None:
    maps, points = _random_maps(rng, 7), rng.normal(size=(7, 5, 2))
    assert np.allclose(affine.apply(affine.invert(maps), affine.apply(maps, points)), points)
    in_torch = affine.invert(torch.from_numpy(maps)).numpy()
    assert np.allclose(in_torch, affine.invert(maps))


def test_relative_takes_view_1_to_view_2_and_swapped_gives_the_inverse(
    rng: np.random.Generator,
) -> None:
    first, second = _random_maps(rng, 2)
    points = rng.normal(size=(5, 2))
    forth = affine.relative(first, second)
    moved = affine.apply(forth, affine.apply(first, points))
    assert np.allclose(moved, affine.apply(second, points))
    assert np.allclose(affine.relative(second, first), affine.invert(forth))


def test_unit_frame_has_its_origin_at_the_crop_centre(rng: np.random.Generator) -> None:
    size, (px_map,) = 65, _random_maps(rng, 1)
    unit = affine.to_unit_frame(px_map, size)
    points = rng.normal(size=(4, 2))
    centre = (size - 1) / 2
    expected = (affine.apply(px_map, points * size + centre) - centre) / size
    assert np.allclose(affine.apply(unit, points), expected)


def test_resize_is_the_map_of_an_area_resize() -> None:
    """A blob's centre of mass in the shrunk image lies where the map takes it."""
    v, u = np.mgrid[:90, :131]
    blob = np.exp(-((u - 70.3) ** 2 + (v - 41.7) ** 2) / 60)
    small = cv2.resize(blob, (43, 31), interpolation=cv2.INTER_AREA)
    v, u = np.mgrid[:31, :43]
    found = np.array([(small * u).sum(), (small * v).sum()]) / small.sum()
    expected = affine.apply(affine.resize((131, 90), (43, 31)), np.array([[70.3, 41.7]]))[0]
    assert np.abs(found - expected).max() < 0.01


def test_mirror_keeps_the_pixels_of_the_image() -> None:
    assert np.allclose(
        affine.apply(affine.mirror(10), np.array([[0.0, 3.0], [9.0, 3.0]])), [[9, 3], [0, 3]]
    )
