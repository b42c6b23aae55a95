"""Rendering on a device reads nothing back from it, so the host never waits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from device_views import on_device, whole_images
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from handpose.augment.appearance import sample_appearance
from handpose.augment.device.recipe import make_recipe
from handpose.augment.device.rendering import bank_on, render, render_views
from handpose.records import Crops, Recipe

SIZE, COUNT = 16, 24


@pytest.fixture
def batch(make_settings: Callable, rng: np.random.Generator) -> tuple[Crops, Recipe]:
    """Views with every augmentation, from crops at three levels."""
    switches = ("colour_jitter", "colour_drop", "gaussian_blur", "gaussian_noise", "cut_out")
    settings = make_settings(*switches, "sobel")
    looks = [[sample_appearance(rng, settings, SIZE)] for _ in range(COUNT)]
    images = [rng.integers(0, 256, (31, 30, 3), dtype=np.uint8) for _ in range(COUNT)]
    affines = np.tile(np.eye(2, 3), (COUNT, 1, 1, 1)) * rng.uniform(0.2, 1, (COUNT, 1, 1, 1))
    recipe = make_recipe(
        affines,
        looks,
        crop=np.arange(COUNT)[:, None],
        crop_affines=np.tile(np.eye(2, 3), (COUNT, 1, 1)),
    )
    assert all(len(rows) for rows in (*recipe.levels, *recipe[3:]))
    assert len(recipe.levels) == 3
    return on_device(whole_images(images)), on_device(recipe)


def test_no_value_decides_what_is_done(batch: tuple[Crops, Recipe]) -> None:
    """On `meta` tensors have shapes and no values: to read one is an error."""
    crops, recipe = (_on_meta(record) for record in batch)
    views = render_views(crops, recipe, SIZE)
    assert (views.device.type, views.shape) == ("meta", (COUNT, 1, 3, SIZE, SIZE))
    for reads_back in (lambda rows: rows.sum().item(), lambda rows: rows[rows > 3]):
        with pytest.raises((RuntimeError, NotImplementedError)):
            reads_back(recipe.grey)


def test_it_is_one_graph(batch: tuple[Crops, Recipe]) -> None:
    """torch.compile with `fullgraph` refuses whatever depends on a value."""
    crops, recipe = batch
    bank = bank_on(crops.pixels.device, SIZE)
    views = _one_graph(render)(crops, recipe, SIZE, bank)
    assert torch.equal(views, render_views(crops, recipe, SIZE))
    reads_back = _one_graph(lambda rows: rows + 1 if rows.sum() > 3 else rows)
    with pytest.raises(torch._dynamo.exc.Unsupported):
        reads_back(recipe.grey)


def _one_graph(function: Callable) -> Callable:
    return torch.compile(function, fullgraph=True, backend="eager", dynamic=False)


@pytest.mark.gpu
def test_a_gpu_waits_for_nothing_and_makes_the_same_views(batch: tuple[Crops, Recipe]) -> None:
    crops, recipe = (on_device(record, "cuda") for record in batch)
    render_views(crops, recipe, SIZE)  # the bank of noise is copied once
    torch.cuda.set_sync_debug_mode("error")
    try:
        views = render_views(crops, recipe, SIZE)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    difference = (views.cpu().int() - render_views(*batch, SIZE)).abs()
    assert (difference <= 1).float().mean() > 0.999


def _on_meta(record: Any) -> Any:
    return tree_map(lambda column: column.to("meta"), record)


class _Largest(TorchDispatchMode):
    """Notes the bytes of the largest tensor that an operation makes."""

    nbytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        made = (leaf.untyped_storage().nbytes() for leaf in tree_leaves(result))
        self.nbytes = max(self.nbytes, *made)
        return result


def test_a_large_batch_needs_no_more_memory_than_its_crops_and_views(
    batch: tuple[Crops, Recipe],
) -> None:
    """However many views there are, what is worked on at once is bounded."""
    crops, recipe = batch
    times, size = 300, 128
    crops = Crops(*(column.repeat(times, *[1] * (column.dim() - 1)) for column in crops))
    recipe = tree_map(lambda rows: rows.repeat(times, *[1] * (rows.dim() - 1)), recipe)
    with _Largest() as largest:
        views = render(_on_meta(crops), _on_meta(recipe), size, bank_on(torch.device("meta"), size))
    assert views.nbytes == largest.nbytes == COUNT * times * 3 * size * size
