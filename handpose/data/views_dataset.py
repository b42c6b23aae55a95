"""Hands -> batches of view pairs for pre-training."""

from collections.abc import Collection, Mapping

import numpy as np
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from handpose.augment.reach import reach_of
from handpose.augment.settings import Augmentation
from handpose.augment.views import assemble_views, draw_views
from handpose.data.base import HandDataset, Strata
from handpose.data.batches import DrawnDataset, Key, Read, Shot
from handpose.data.positives.mining import Mined
from handpose.data.sampling import sample_rng
from handpose.data.unreadable import UnreadableList
from handpose.records import Column, Sample, Views

_PAIR = 2


class ViewDataset(DrawnDataset[dict[str, Views]]):
    """(time, index) -> one `Views`, a pair, for each part of the objective.

    Args:
        source: the hands.
        augmentations: of each part, by its name.
        seed: with (time, index), determines the partner and the parameters.
        mined: partners for the second view; None for the sample itself.
        mined_parts: the parts that use mined partners.
        unreadable: records which unreadable images were replaced; None: they are an error.
    """

    num_views = _PAIR

    def __init__(
        self,
        source: HandDataset,
        augmentations: Mapping[str, Augmentation],
        *,
        seed: int,
        mined: Mined | None = None,
        mined_parts: Collection[str] = (),
        unreadable: UnreadableList | None = None,
    ) -> None:
        self.source = source
        self.augmentations = augmentations
        self.seed = seed
        self.mined = mined
        self.mined_parts = mined_parts
        self.unreadable = unreadable
        self.reach = reach_of(augmentations.values(), source.image_size)
        self._identities = source.identities
        self.indices = np.arange(len(source))

    def shots(self, key: Key, read: Read | None = None) -> dict[str, list[Shot]]:
        time, index = key
        read = read or self.read
        rng = sample_rng(self.seed, time, index)
        partner = index if self.mined is None else self.mined.draw(rng, index)
        found = {place: read(time, place) for place in {index, partner}}

        def shot(wanted: tuple[int, Sample], settings: Augmentation, num_views: int) -> Shot:
            place, sample = wanted
            size = self.source.image_size
            drawn = draw_views(sample, settings, rng=rng, size=size, num_views=num_views)
            return Shot(place, sample, drawn)

        return {
            part: [shot(found[index], settings, 1), shot(found[partner], settings, 1)]
            if part in self.mined_parts
            else [shot(found[index], settings, _PAIR)]
            for part, settings in self.augmentations.items()
        }

    def assemble(
        self, shots: Mapping[str, list[Shot]], images: Mapping[str, Column]
    ) -> dict[str, Views]:
        return {part: self._views(part, shots[part], images[part]) for part in self.augmentations}

    def _views(self, part: str, shots: list[Shot], image: Column) -> Views:
        drawn = [shot.drawn for shot in shots]
        index = np.repeat([shot.place for shot in shots], [len(one.looks) for one in drawn])
        views = assemble_views(image, drawn, identity=self._identities[index], index=index)
        if part in self.mined_parts:
            assert self.mined is not None, "mined_parts, and nothing was mined"
            views = views._replace(
                pose=self.mined.pose[index], pose_valid=self.mined.pose_valid[index]
            )
        return apply_to_collection(views, (np.ndarray, Tensor), _in_pairs)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def strata(self) -> Strata:
        """(samples, share of an epoch) of each source."""
        return self.source.strata


def _in_pairs(column: Column) -> Column:
    return column.reshape(len(column) // _PAIR, _PAIR, *column.shape[1:])
