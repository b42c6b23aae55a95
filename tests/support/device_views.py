"""Crops and recipes as a loader ships them to a device, and the devices that there are."""

from typing import Any

import numpy as np
import torch

from handpose.records import Crops, Recipe

DEVICES = ("cpu", *(["cuda"] if torch.cuda.is_available() else []))


def whole_images(images: list[np.ndarray]) -> Crops:
    """Images of several sizes, each in the upper left of a slot that holds the largest."""
    shape = np.max([image.shape for image in images], axis=0)
    pixels = np.full((len(images), *shape), 199, np.uint8)
    for slot, image in zip(pixels, images, strict=True):
        slot[: image.shape[0], : image.shape[1]] = image
    sizes = np.array([image.shape[1::-1] for image in images], np.int64)
    return Crops(pixels, np.arange(len(images)), sizes)


def on_device(crops: Crops, recipe: Recipe, device: str = "cpu") -> tuple[Crops, Recipe]:
    """The same as tensors."""

    def moved(column: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(column)).to(device)

    columns: Any = (
        tuple(map(moved, column)) if isinstance(column, tuple) else moved(column)
        for column in recipe
    )
    return Crops(*map(moved, crops)), Recipe(*columns)
