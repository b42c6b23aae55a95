"""Colour, grey, blur, noise, cut-out and Sobel of a batch are those of `appearance.render`."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from device_views import on_device, whole_images

from handpose.augment.appearance import NEUTRAL, Appearance, render, sample_appearance
from handpose.augment.device.recipe import make_recipe
from handpose.augment.device.rendering import render_views

SIZE = 33
PLAIN = Appearance(NEUTRAL, False, 0.0, 0.0, 5, False, (0, 0, 0, 0, 0), False)
EACH = {
    "colour": PLAIN._replace(colour=(0.6, 0.4, 0.9, 12.0)),
    "bright": PLAIN._replace(colour=(-0.2, 1.5, 3.0, 200.0)),
    "dark": PLAIN._replace(colour=(-0.2, 1.5, 1.0, -200.0)),
    "stronger than OpenCV's fixed point": PLAIN._replace(colour=(0.3, 4.0, 60.0, -255.0)),
    "grey": PLAIN._replace(grey=True),
    "a blur of one px": PLAIN._replace(blur=0.1),
    "blur": PLAIN._replace(blur=1.9),
    "a blur wider than the view": PLAIN._replace(blur=14.0),
    "noise": PLAIN._replace(noise=25.0, noise_seed=2**31 - 1),
    "strong noise": PLAIN._replace(noise=255.0),
    "one-sided noise": PLAIN._replace(noise=12.3, noise_seed=77 << 11, one_sided=True),
    "cut-out": PLAIN._replace(cutout=(3, 0, 33, 7, 0)),
    "a grey cut-out": PLAIN._replace(cutout=(0, 30, 1, 33, 255)),
    "an empty cut-out": PLAIN._replace(cutout=(4, 5, 9, 5, 99)),
    "sobel": PLAIN._replace(sobel=True),
}


def _both(images: np.ndarray, looks: list[Appearance]) -> tuple[np.ndarray, np.ndarray]:
    """Images (R, S, S, 3) under the identity: from the device, and from OpenCV."""
    whole, count = np.tile(np.eye(2, 3), (len(looks), 1, 1)), len(looks)
    recipe = make_recipe(
        whole[:, None],
        [[look] for look in looks],
        crop=np.arange(count)[:, None],
        crop_affines=whole,
    )
    crops, recipe = on_device(whole_images([*images])), on_device(recipe)
    views = render_views(crops, recipe, images.shape[1])
    expected = np.array([render(*pair) for pair in zip(images, looks, strict=True)])
    return views[:, 0].numpy().astype(int), expected.transpose(0, 3, 1, 2)


@pytest.mark.parametrize("name", list(EACH))
def test_each_is_that_of_a_worker(name: str, rng: np.random.Generator) -> None:
    """Of white noise with its extremes, beside a view that nothing is done to."""
    images = np.clip(rng.normal(128, 110, (4, SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    views, expected = _both(images, [PLAIN, EACH[name], PLAIN, EACH[name]])
    difference = np.abs(views - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 2e-3  # ties of a rounding
    assert np.array_equal(views[::2], images[::2].transpose(0, 3, 1, 2))
    changed = [(views[row] != images[row].transpose(2, 0, 1)).mean() for row in (1, 3)]
    nothing = name in ("a blur of one px", "an empty cut-out")
    assert (min(changed) > 1e-3, max(changed) > 0) == (not nothing, not nothing)


def test_all_at_once_in_the_order_of_workers(
    make_settings: Callable, rng: np.random.Generator
) -> None:
    """Every combination of the six that 200 views draw."""
    switches = ("colour_jitter", "colour_drop", "gaussian_blur", "gaussian_noise", "cut_out")
    settings = make_settings(*switches, "sobel", cut_out_fill="grey", cut_out_side=(0.1, 0.5))
    looks = [sample_appearance(rng, settings, SIZE) for _ in range(200)]
    images = rng.integers(0, 256, (200, SIZE, SIZE, 3), dtype=np.uint8)
    views, expected = _both(images, looks)
    difference = np.abs(views - expected)
    # A px of another last bit before the Sobel moves its neighbours by more.
    assert (difference.mean() < 2e-3, (difference <= 1).mean() > 0.999) == (True, True)


def test_a_large_batch_in_parts_is_that_of_one_part(
    make_settings: Callable, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handpose.augment.device import rendering

    names = ("colour_jitter", "gaussian_blur", "gaussian_noise", "cut_out", "colour_drop")
    looks = [sample_appearance(rng, make_settings(*names), SIZE) for _ in range(30)]
    images = rng.integers(0, 256, (30, SIZE, SIZE, 3), dtype=np.uint8)
    whole, expected = _both(images, looks)
    for px in (1, 7 * SIZE * SIZE):
        monkeypatch.setitem(rendering._PX_AT_ONCE, "cpu", px)
        assert np.array_equal(_both(images, looks)[0], whole)
    assert torch.get_default_dtype() == torch.float32
    assert np.abs(whole - expected).max() <= 1
