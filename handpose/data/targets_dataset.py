"""Labelled hands -> batches of crops with their labels, for fine-tuning and evaluation."""

from collections.abc import Mapping

import numpy as np

from handpose.augment.reach import reach_of
from handpose.augment.settings import Augmentation
from handpose.augment.views import assemble_target, draw_views
from handpose.data.base import NO_PIXELS, HandDataset, Strata
from handpose.data.batches import DrawnDataset, Key, Read, Shot
from handpose.data.sampling import sample_rng
from handpose.data.unreadable import UnreadableList
from handpose.records import Column, Target


class TargetDataset(DrawnDataset[Target]):
    """(time, place) -> the crop and labels of sample `indices[place]`.

    Args:
        source: the hands.
        augmentation: of the crop.
        reference_bone: the bone whose length is 1.
        seed: with (time, index), determines the parameters.
        indices: (M,) int, the labelled samples; None for all.
        unreadable: records which unreadable images were replaced; None: they are an error.
    """

    num_views = 1

    def __init__(
        self,
        source: HandDataset,
        augmentation: Augmentation,
        *,
        reference_bone: str = "index",
        seed: int,
        indices: np.ndarray | None = None,
        unreadable: UnreadableList | None = None,
    ) -> None:
        self.source = source
        self.augmentation = augmentation
        self.augmentations = {"": augmentation}
        self.reference_bone = reference_bone
        self.seed = seed
        self.reach = reach_of([augmentation], source.image_size)
        self.indices = np.arange(len(source)) if indices is None else indices
        self.unreadable = unreadable

    def at(self, places: np.ndarray) -> "TargetDataset":
        """Return the dataset of the hands at `places` (M,) of this one."""
        return TargetDataset(
            self.source,
            self.augmentation,
            reference_bone=self.reference_bone,
            seed=self.seed,
            indices=self.indices[places],
            unreadable=self.unreadable,
        )

    def shots(self, key: Key, read: Read | None = None) -> dict[str, list[Shot]]:
        time, place = key
        read = read or self.read
        wanted = int(self.indices[place])
        index, sample = read(time, wanted)
        rng = sample_rng(self.seed, time, wanted)
        size = self.source.image_size
        drawn = draw_views(sample, self.augmentation, rng=rng, size=size, num_views=1)
        return {"": [Shot(index, sample, drawn)]}

    def assemble(self, shots: Mapping[str, list[Shot]], images: Mapping[str, Column]) -> Target:
        rows = [
            assemble_target(
                NO_PIXELS,
                shot.sample,
                shot.drawn,
                reference_bone=self.reference_bone,
                index=shot.place,
            )
            for shot in shots[""]
        ]
        batch = Target(*(np.array(column) for column in zip(*rows, strict=True)))
        return batch._replace(image=images[""])

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def strata(self) -> Strata:
        """(labelled samples, share of an epoch) of each source."""
        ends = np.cumsum([count for count, _ in self.source.strata])
        below = np.searchsorted(self.indices, [0, *ends])
        weights = (weight for _, weight in self.source.strata)
        return tuple(zip(np.diff(below).tolist(), weights, strict=True))
