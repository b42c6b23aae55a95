"""What a recipe says is what workers do: kernels, colour maps, levels, lists of rows."""

from collections.abc import Callable

import numpy as np
import pytest
from albumentations.augmentations.blur.functional import create_gaussian_kernel_1d

from handpose.augment.appearance import NEUTRAL, Appearance, colour_matrices, colour_matrix
from handpose.augment.device.recipe import device_refusal, make_recipe
from handpose.augment.settings import Augmentation
from handpose.geometry import affine as maps
from handpose.records import Recipe

PLAIN = Appearance(NEUTRAL, False, 0.0, 0.0, 5, False, (0, 0, 0, 0, 0), False)


def _recipe(*looks: Appearance, affines: np.ndarray | None = None) -> Recipe:
    """Of one view each of as many crops, which are whole sources."""
    count = len(looks)
    whole = np.tile(np.eye(2, 3), (count, 1, 1))
    return make_recipe(
        whole[:, None] if affines is None else affines[:, None],
        [[look] for look in looks],
        crop=np.arange(count)[:, None],
        crop_affines=whole,
    )


def test_kernels_are_those_of_albumentations() -> None:
    sigmas = [0.1, 0.29, 0.5, 6 / 7, 1.0, 1.999, 2.0]
    recipe = _recipe(*(PLAIN._replace(blur=sigma) for sigma in sigmas))
    assert recipe.blurred.tolist() == [1, 2, 3, 4, 5, 6]  # one of a single tap changes nothing
    for row, kernel in zip(recipe.blurred, recipe.kernel, strict=True):
        expected = create_gaussian_kernel_1d(sigmas[row])
        margin = (len(kernel) - len(expected)) // 2
        assert kernel == pytest.approx(np.pad(expected, margin), abs=1e-7)
        assert (kernel > 0).sum() == len(expected)


def test_colour_matrices_are_those_of_each_view(rng: np.random.Generator) -> None:
    colours = rng.uniform((-0.8, 0.2, 0.5, -9), (0.8, 1.2, 1.4, 20), (9, 4))
    expected = np.array([colour_matrix(tuple(colour)) for colour in colours])
    assert colour_matrices(colours) == pytest.approx(expected, abs=1e-12)
    recipe = _recipe(PLAIN, *(PLAIN._replace(colour=tuple(colour)) for colour in colours))
    assert recipe.coloured.tolist() == list(range(1, 10))
    rounding = np.array([0, 0, 0, 0.5])
    assert recipe.colour == pytest.approx(expected + rounding, abs=0.5001 / 1024)


def test_rows_list_what_each_view_has() -> None:
    looks = (
        PLAIN._replace(grey=True, noise=7.0, noise_seed=2**31 - 1, one_sided=True),
        PLAIN._replace(sobel=True, cutout=(1, 2, 3, 4, 5)),
        PLAIN._replace(cutout=(3, 2, 3, 4, 5), noise=3.0),
    )
    recipe = _recipe(*looks)
    assert (recipe.grey.tolist(), recipe.sobel.tolist()) == ([0], [1])
    assert (recipe.noisy.tolist(), recipe.noise.tolist()) == ([0, 2], [7, 3])
    assert (recipe.noise_start.tolist(), recipe.one_sided.tolist()) == ([2**20 - 1, 0], [1, 0])
    assert (recipe.cut_out.tolist(), recipe.rectangle.tolist()) == ([1], [[1, 2, 3, 4, 5]])
    assert len(recipe.coloured) == len(recipe.blurred) == len(recipe.kernel) == 0


def test_a_view_takes_its_crop_at_most_twice_as_fine() -> None:
    """Halved until then; px of the view go to px of the halved crop, whose first is at 0.5."""
    affines = np.array([[[scale, 0, 0], [0, scale, 0]] for scale in (0.8, 0.5, 0.49, 0.25, 0.2)])
    recipe = _recipe(*[PLAIN] * 5, affines=affines)
    assert [rows.tolist() for rows in recipe.levels] == [[0, 1], [2, 3], [4]]
    for row, times in enumerate((0, 0, 1, 1, 2)):
        at = maps.apply(recipe.affine[row, 0].astype(float), np.array([[10.0, 20.0]]))[0]
        source = np.array([10, 20]) / affines[row, 0, 0]
        assert at == pytest.approx((source + 0.5) / 2**times - 0.5, abs=1e-5)


def test_maps_start_at_the_crop_that_a_view_shows(rng: np.random.Generator) -> None:
    """Two views of different crops, as mined positives have them."""
    affines, crop_affines = rng.uniform(0.6, 1, (1, 2, 2, 3)), np.zeros((3, 2, 3))
    affines[..., 1, :2] *= [-1, 1]
    crop_affines[:] = np.eye(2, 3) * 0.5
    crop_affines[..., 2] = rng.uniform(-9, 9, (3, 2))
    crop = np.array([[2, 0]])
    recipe = make_recipe(affines, [[PLAIN, PLAIN]], crop=crop, crop_affines=crop_affines)
    assert [rows.tolist() for rows in recipe.levels] == [[0, 1]]
    for view, which in enumerate(crop[0]):
        expected = maps.compose(crop_affines[which], maps.invert(affines[0, view]))
        assert recipe.affine[0, view] == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(recipe.crop, crop)


def test_only_an_augmentation_of_ones_own_is_refused(make_settings: Callable) -> None:
    class Own(Augmentation):
        pass

    assert device_refusal(make_settings("sobel", cut_out_at="joint")) is None
    assert "Own is an augmentation that only workers can apply" in str(device_refusal(Own()))
