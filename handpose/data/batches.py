"""What the datasets of views and of targets share: whole batches at once, single items as one of 1.

A batch has one array per column, filled sample by sample: views are rendered straight into the
batch's images, and collation copies nothing. B samples, V views each, S side of a view in px.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from handpose.augment.pixels import reusing_memory
from handpose.augment.reach import Reach, is_same_crop
from handpose.augment.settings import Augmentation
from handpose.augment.views import Drawn, Plan, plan_views, render_plan, render_views
from handpose.data.base import NO_PIXELS, HandDataset, Strata
from handpose.data.unreadable import UnreadableError, UnreadableList, read_sample, substitutes
from handpose.records import Column, Sample

Key = tuple[int, int]  # how often the sample was drawn before, and which it is
Batch = TypeVar("Batch")


class Shot(NamedTuple):
    """Drawn views of one sample."""

    place: int  # of the sample in its source
    sample: Sample
    drawn: Drawn


Plans = dict[str, list[tuple[Shot, Plan]]]  # by part
Read = Callable[[int, int], tuple[int, Sample]]


class DrawnDataset(Dataset[Batch], ABC):
    """Hands whose views are drawn by (seed, time, index), then rendered into a batch.

    Attributes:
        source: the hands.
        augmentations: by part, what is made of each sample; "" if it is one thing.
        num_views: V of each part.
        indices: (N,) int64, the samples in use and so their substitutes, by place in the source.
        reach: what views can show.
        seed: with (time, index), determines every draw.
        unreadable: records which unreadable images were replaced; None: they are an error.
        reads_pixels: whether `read` reads images; else they are (H, W, 0), their size alone.
    """

    source: HandDataset
    augmentations: Mapping[str, Augmentation]
    num_views: int
    indices: np.ndarray
    reach: Reach
    seed: int
    unreadable: UnreadableList | None
    reads_pixels = True

    @abstractmethod
    def shots(self, key: Key, read: Read | None = None) -> dict[str, list[Shot]]:
        """Read what a sample's views show, and draw the V views of each part.

        Args:
            key: of the sample.
            read: reads samples by (time, index), with their places; None for `self.read`.
        """

    @abstractmethod
    def assemble(self, shots: Mapping[str, list[Shot]], images: Mapping[str, Column]) -> Batch:
        """Build the batch of drawn views.

        Args:
            shots: by part, in the order of the batch; their samples may have no pixels.
            images: by part (B V, 3, S, S) uint8.
        """

    @property
    @abstractmethod
    def strata(self) -> Strata:
        """(samples, share of an epoch) of each source."""

    def __getitem__(self, key: Key) -> Batch:
        return apply_to_collection(self.__getitems__([key]), (np.ndarray, Tensor), _first)

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return the batch of several keys; `DataLoader` asks for batches in this way."""
        shape = (len(keys) * self.num_views, 3, self.source.image_size, self.source.image_size)
        images = {part: empty_images(shape) for part in self.augmentations}
        rows = {part: pixels.numpy() for part, pixels in images.items()}
        shots: dict[str, list[Shot]] = {part: [] for part in self.augmentations}
        planned = self._plan(keys)
        with reusing_memory():
            for number, (key, plans) in enumerate(zip(keys, planned, strict=True)):
                start = number * self.num_views
                out = {part: own[start : start + self.num_views] for part, own in rows.items()}
                for part, own in self._render(key, plans, out).items():
                    shots[part] += own
        return self.assemble(shots, images)

    def _plan(self, keys: Sequence[Key]) -> Sequence[Plans | None]:
        """Draw a whole batch before an image is read; None: a source reads images with labels.

        Python runs twice as fast while no image passes through the caches.
        """
        if type(self.source).without_pixels is HandDataset.without_pixels:
            return [None] * len(keys)
        drawn = [self.shots(key, self.outline) for key in keys]
        shots = [shot for parts in drawn for own in parts.values() for shot in own]
        plans = iter(plan_views([s.drawn for s in shots], [s.sample.crop for s in shots]))
        return [
            {part: [(shot, next(plans)) for shot in own] for part, own in parts.items()}
            for parts in drawn
        ]

    def _render(
        self, key: Key, plans: Plans | None, out: Mapping[str, np.ndarray]
    ) -> dict[str, list[Shot]]:
        """Render the views of a sample, or of its substitute; return what was drawn for them."""
        if plans is not None:
            try:
                self._render_plans(plans, out)
            except UnreadableError:
                pass  # `read` tries again
            else:
                return {part: [shot for shot, _ in own] for part, own in plans.items()}
        shots = self.shots(key)
        for part, own in shots.items():
            start = 0
            for shot in own:
                end = start + len(shot.drawn.looks)
                render_views(shot.sample, shot.drawn, out[part][start:end])
                start = end
        return {part: [without_pixels(shot) for shot in own] for part, own in shots.items()}

    def _render_plans(self, plans: Plans, out: Mapping[str, np.ndarray]) -> None:
        found: dict[int, Sample] = {}
        for part, own in plans.items():
            start = 0
            for shot, plan in own:
                if shot.place not in found:
                    sample = self.source.with_pixels(shot.place, shot.sample)
                    found[shot.place] = self.reach.crop(sample)
                sample, end = found[shot.place], start + len(plan.looks)
                if not is_same_crop(sample.crop, plan.crop):  # a pack of a larger reach
                    plan = plan_views([shot.drawn], [sample.crop])[0]
                render_plan(sample.image, plan, out[part][start:end])
                start = end

    def read(self, time: int, index: int) -> tuple[int, Sample]:
        """Read what a sample's views can show, or a substitute, with its place in the source.

        Args:
            time: how often the sample was drawn before.
            index: its place in the source.
        """
        if not self.reads_pixels:
            return self.outline(time, index)
        others = substitutes(self.indices, seed=self.seed, time=time, index=index)
        place, sample = read_sample(self.source, index, unreadable=self.unreadable, others=others)
        return place, self.reach.crop(sample)

    def outline(self, time: int, index: int) -> tuple[int, Sample]:
        """Read a sample without pixels, whose crop is that of its views.

        Args:
            time: has no effect.
            index: its place in the source.
        """
        return index, self.reach.outline(self.source.without_pixels(index))


def without_pixels(shot: Shot) -> Shot:
    """Return a shot that no longer holds its image in memory."""
    return shot._replace(sample=shot.sample._replace(image=NO_PIXELS))


def empty_images(shape: tuple[int, ...]) -> Tensor:
    """Return an uninitialised uint8 tensor; a data worker's reaches the run without a copy.

    Args:
        shape: of the tensor.
    """
    if get_worker_info() is None:
        return torch.empty(shape, dtype=torch.uint8)
    shared = torch.UntypedStorage._new_shared(math.prod(shape), device="cpu")
    return torch.empty(0, dtype=torch.uint8).set_(shared).view(shape)


def as_tensors(batch: Any) -> Any:
    """Return a batch of arrays as one of tensors on the same memory."""
    return apply_to_collection(batch, np.ndarray, torch.from_numpy)


def collate(batch: Any) -> Any:
    """Return a batch of arrays as one of tensors; a data worker's becomes one in the run.

    A tensor of a worker is an open file of its own, and costs more than sending a small array.
    """
    return as_tensors(batch) if get_worker_info() is None else _Sent(batch)


class _Sent:
    """Is `batch` until it is pickled, and the tensors of `batch` once it is unpickled."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __reduce__(self) -> tuple[Any, ...]:
        return as_tensors, (self.batch,)


def _first(column: Column) -> Any:
    return np.asarray(column)[0]
