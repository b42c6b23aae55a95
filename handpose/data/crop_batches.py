"""Batches whose pixels the device makes: crops and recipes in place of rendered views.

The crops come with their samples, or in one gather from packed ones, or lie on the device already.
B samples, V views each, N crops in slots of P x Q px.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from handpose.augment.device.recipe import make_recipe
from handpose.data.base import HandDataset
from handpose.data.batches import DrawnDataset, Key, Shot, empty_images, without_pixels
from handpose.records import CropBatch, Crops, Recipe, Sample

Gather = Callable[[np.ndarray], np.ndarray]  # places (N,) in the source -> crops (N, P, Q, 3)


class CropBatches(Dataset[CropBatch]):
    """The batches of a dataset, drawn alike, without the pixels of their views.

    Args:
        dataset: draws the views.
        gather: reads crops by place, in slots of one size; None: each comes with its sample.
        resident: places of the crops that lie on the device, ascending; None: none do.
    """

    def __init__(
        self,
        dataset: DrawnDataset[Any],
        *,
        gather: Gather | None = None,
        resident: np.ndarray | None = None,
    ) -> None:
        self.dataset, self.gather, self.resident = copy.copy(dataset), gather, resident
        self.dataset.reads_pixels = gather is None and resident is None

    @property
    def source(self) -> HandDataset:
        """The hands."""
        return self.dataset.source

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitems__(self, keys: Sequence[Key]) -> CropBatch:
        shots: dict[str, list[Shot]] = {part: [] for part in self.dataset.augmentations}
        samples: dict[int, Sample] = {}  # each once, however often a batch shows it
        for key in keys:
            for part, own in self.dataset.shots(key).items():
                shots[part] += map(without_pixels, own)
                samples |= {shot.place: self._alone(shot.sample) for shot in own}
        size, num_views = self.source.image_size, self.dataset.num_views
        empty = torch.empty((0, 3, size, size), dtype=torch.uint8)
        return CropBatch(
            crops=self._crops(samples),
            recipes={part: _recipe(own, samples, num_views) for part, own in shots.items()},
            batch=self.dataset.assemble(shots, dict.fromkeys(shots, empty)),
        )

    def _alone(self, sample: Sample) -> Sample:
        """Return a sample whose crop does not keep its whole decoded image in memory."""
        if not self.dataset.reads_pixels:
            return sample
        return sample._replace(image=np.ascontiguousarray(sample.image))

    def _crops(self, samples: dict[int, Sample]) -> Crops:
        places = np.array(list(samples))
        images = [sample.image for sample in samples.values()]
        size = np.array([image.shape[1::-1] for image in images])
        if self.resident is not None:
            return Crops(empty_images((0, 1, 1, 3)), np.searchsorted(self.resident, places), size)
        if self.gather is None:
            return Crops(_in_slots(images, size), np.zeros_like(places), size)
        gathered = self.gather(places)
        pixels = empty_images(gathered.shape)
        pixels.numpy()[:] = gathered
        return Crops(pixels, np.zeros_like(places), size)


def _recipe(shots: Sequence[Shot], samples: dict[int, Sample], num_views: int) -> Recipe:
    """Make the recipe of one part from its shots, V views in one or several for each sample."""
    numbers = {place: number for number, place in enumerate(samples)}
    crop = [numbers[shot.place] for shot in shots for _ in shot.drawn.looks]
    affines = np.array([affine for shot in shots for affine in shot.drawn.affines])
    looks = [look for shot in shots for look in shot.drawn.looks]
    return make_recipe(
        affines.reshape(-1, num_views, 2, 3),
        [looks[start : start + num_views] for start in range(0, len(looks), num_views)],
        crop=np.array(crop).reshape(-1, num_views),
        crop_affines=np.array([sample.crop.affine for sample in samples.values() if sample.crop]),
    )


def _in_slots(images: Sequence[np.ndarray], size: np.ndarray) -> Tensor:
    """Return images (H, W, 3) of given widths and heights in slots (N, P, Q, 3)."""
    width, height = size.max(axis=0).tolist()
    slots = empty_images((len(images), height, width, 3))
    for slot, image in zip(slots.numpy(), images, strict=True):
        slot[: image.shape[0], : image.shape[1]] = image
    return slots
