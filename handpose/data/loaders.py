"""Batches from datasets: views for pre-training, targets for fine-tuning and evaluation."""

import logging
from collections.abc import Collection, Mapping

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from handpose.augment.reach import reach_of
from handpose.augment.settings import Augmentation
from handpose.augment.views import join_views, make_target, make_views
from handpose.data.base import HandDataset, Strata
from handpose.data.positives.mining import Mined
from handpose.data.sampling import EpochSampler, sample_rng
from handpose.data.unreadable import UnreadableList, read_sample, substitutes
from handpose.data.workers import begin_worker, process_context
from handpose.records import Sample, Target, Views

_LEAST_TO_NORMALISE = 2

_log = logging.getLogger(__name__)


class ViewDataset(Dataset[dict[str, Views]]):
    """(time, index) -> one `Views`, a pair, for each part of the objective.

    Args:
        source: the hands.
        augmentations: of each part, by its name.
        seed: with (time, index), determines the partner and the parameters.
        mined: partners for the second view; None for the sample itself.
        mined_parts: the parts that use mined partners.
        unreadable: records which unreadable images were replaced; None: they are an error.
    """

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

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Views]:
        time, index = key
        rng = sample_rng(self.seed, time, index)
        partner = index if self.mined is None else self.mined.draw(rng, index)
        found = {place: self._read(time, place) for place in {index, partner}}

        def views(wanted: int, settings: Augmentation, num_views: int) -> Views:
            place, sample = found[wanted]
            return make_views(
                sample,
                settings,
                rng=rng,
                size=self.source.image_size,
                num_views=num_views,
                identity=int(self._identities[place]),
                index=place,
            )

        return {
            part: self._with_poses(
                join_views(views(index, settings, 1), views(partner, settings, 1))
            )
            if part in self.mined_parts
            else views(index, settings, 2)
            for part, settings in self.augmentations.items()
        }

    def _read(self, time: int, index: int) -> tuple[int, Sample]:
        places = np.arange(len(self.source))
        others = substitutes(places, seed=self.seed, time=time, index=index)
        place, sample = read_sample(self.source, index, unreadable=self.unreadable, others=others)
        return place, self.reach.crop(sample)

    def _with_poses(self, pair: Views) -> Views:
        assert self.mined is not None, "mined_parts, and nothing was mined"
        return pair._replace(
            pose=self.mined.pose[pair.index], pose_valid=self.mined.pose_valid[pair.index]
        )

    def __len__(self) -> int:
        return len(self.source)

    @property
    def strata(self) -> Strata:
        """(samples, share of an epoch) of each source."""
        return self.source.strata


class TargetDataset(Dataset[Target]):
    """(time, place) -> the crop and labels of sample `indices[place]`.

    Args:
        source: the hands.
        augmentation: of the crop.
        reference_bone: the bone whose length is 1.
        seed: with (time, index), determines the parameters.
        indices: (M,) int, the labelled samples; None for all.
        unreadable: records which unreadable images were replaced; None: they are an error.
    """

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
        self.reference_bone = reference_bone
        self.seed = seed
        self.reach = reach_of([augmentation], source.image_size)
        self.indices = np.arange(len(source)) if indices is None else indices
        self.unreadable = unreadable

    def __getitem__(self, key: tuple[int, int]) -> Target:
        time, place = key
        wanted = int(self.indices[place])
        others = substitutes(self.indices, seed=self.seed, time=time, index=wanted)
        index, sample = read_sample(self.source, wanted, unreadable=self.unreadable, others=others)
        return make_target(
            self.reach.crop(sample),
            self.augmentation,
            rng=sample_rng(self.seed, time, wanted),
            size=self.source.image_size,
            reference_bone=self.reference_bone,
            index=index,
        )

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def strata(self) -> Strata:
        """(labelled samples, share of an epoch) of each source."""
        ends = np.cumsum([count for count, _ in self.source.strata])
        below = np.searchsorted(self.indices, [0, *ends])
        weights = (weight for _, weight in self.source.strata)
        return tuple(zip(np.diff(below).tolist(), weights, strict=True))


def build_loader(
    dataset: ViewDataset | TargetDataset,
    *,
    batch_size: int,
    training: bool,
    num_workers: int,
    seed: int,
    samples_per_epoch: int | None = None,
    rank: int = 0,
    num_ranks: int = 1,
) -> DataLoader:
    """Build a loader: shuffled whole batches for training, every sample once otherwise.

    Held-out pairs, which compete within a batch, come in one fixed random order; crops in order.

    Args:
        dataset: the samples.
        batch_size: of all processes together; at most the number of samples.
        training: whether the loader is for training.
        num_workers: number of worker processes.
        seed: of the order.
        samples_per_epoch: of training, each augmented anew; None: all samples once.
        rank: of this process, which takes its share of every training batch.
        num_ranks: number of processes.

    Raises:
        ValueError: there are too few samples for so many processes.
    """
    sampler = EpochSampler(
        strata=dataset.strata,
        seed=seed,
        shuffle=training,
        mixed=isinstance(dataset, ViewDataset),
        length=samples_per_epoch,
        rank=rank,
        num_ranks=num_ranks,
    )
    if training and sampler.length < batch_size:
        _log.warning(
            "%s: %d training samples for a batch of %d; the batch is as large as the dataset",
            *(dataset.source.name, sampler.length, batch_size),
        )
    batch_size = min(batch_size, sampler.length)
    if training:
        batch_size = _own_share(batch_size, num_ranks)
    return _loader(dataset, sampler, batch_size, num_workers)


def _own_share(batch_size: int, num_ranks: int) -> int:
    """Return the part of a batch that one process takes."""
    if num_ranks > 1 and batch_size // num_ranks < _LEAST_TO_NORMALISE:
        raise ValueError(
            f"a batch of {batch_size} for {num_ranks} processes: BatchNorm needs "
            f"{_LEAST_TO_NORMALISE} samples in each; take fewer trainer.devices, or more samples"
        )
    return batch_size // num_ranks


def _loader(
    dataset: ViewDataset | TargetDataset, sampler: EpochSampler, batch_size: int, num_workers: int
) -> DataLoader:
    # Workers already run in parallel; OpenCV's own thread pool hangs in a forked one.
    cv2.setNumThreads(0)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        drop_last=sampler.shuffle,
        num_workers=num_workers,
        worker_init_fn=begin_worker,
        multiprocessing_context=process_context() if num_workers else None,
        persistent_workers=num_workers > 0,
    )
