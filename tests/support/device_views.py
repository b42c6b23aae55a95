"""Crops and recipes as a loader ships them to a device, and the devices to try."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from handpose.augment import views as augment_views
from handpose.augment.device.recipe import make_recipe
from handpose.augment.device.rendering import render_views
from handpose.augment.settings import Augmentation
from handpose.augment.views import Drawn, draw_views
from handpose.records import Crops, Recipe, Sample

DEVICES = ("cpu", pytest.param("cuda", marks=pytest.mark.gpu))


def whole_images(images: Sequence[np.ndarray]) -> Crops:
    """Images of several sizes, each in the upper left of a slot that holds the largest."""
    shape = np.max([image.shape for image in images], axis=0)
    pixels = np.full((len(images), *shape), 199, np.uint8)
    for slot, image in zip(pixels, images, strict=True):
        slot[: image.shape[0], : image.shape[1]] = image
    sizes = np.array([image.shape[1::-1] for image in images], np.int64)
    return Crops(pixels, np.arange(len(images)), sizes)


def on_device(record: Any, device: str = "cpu") -> Any:
    """Crops or a recipe of arrays or tensors, as tensors there."""
    if isinstance(record, (np.ndarray, torch.Tensor)):
        return torch.as_tensor(np.ascontiguousarray(record)).to(device)
    columns = [on_device(column, device) for column in record]
    return type(record)(*columns) if hasattr(record, "_fields") else tuple(columns)


class Both(NamedTuple):
    """The same views from workers and from a device, and what was drawn for them."""

    workers: np.ndarray  # (B, V, 3, S, S) uint8
    device: np.ndarray  # (B, V, 3, S, S) uint8
    drawn: list[Drawn]
    recipe: Recipe


def make_both(
    samples: Sequence[Sample],
    settings: Augmentation,
    *,
    size: int,
    rng: np.random.Generator,
    num_views: int = 2,
    device: str = "cpu",
) -> Both:
    """Draws views of samples once, and renders them twice."""
    drawn = [draw_views(s, settings, rng=rng, size=size, num_views=num_views) for s in samples]
    workers = [_by_workers(*pair, size) for pair in zip(samples, drawn, strict=True)]
    recipe = make_recipe(
        np.array([one.affines for one in drawn]),
        [one.looks for one in drawn],
        crop=np.repeat(np.arange(len(samples))[:, None], num_views, axis=1),
        crop_affines=np.array([s.crop.affine if s.crop else np.eye(2, 3) for s in samples]),
    )
    crops = on_device(whole_images([sample.image for sample in samples]), device)
    views = render_views(crops, on_device(recipe, device), size)
    return Both(np.array(workers), views.cpu().numpy(), drawn, recipe)


def _by_workers(sample: Sample, drawn: Drawn, size: int) -> np.ndarray:
    views = np.empty((len(drawn.looks), 3, size, size), np.uint8)
    augment_views.render_views(sample, drawn, views)
    return views
