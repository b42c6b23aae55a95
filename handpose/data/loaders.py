"""Loaders of batches: shuffled for training, every sample once otherwise."""

import logging
from functools import partial

import cv2
import torch
from torch.utils.data import DataLoader

from handpose.data.batches import collate
from handpose.data.crop_batches import CropBatches
from handpose.data.prefetch import DeviceLoader
from handpose.data.sampling import EpochSampler
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.data.workers import begin_worker, process_context

_LEAST_TO_NORMALISE = 2

_log = logging.getLogger(__name__)


def build_loader(
    dataset: ViewDataset | TargetDataset,
    *,
    batch_size: int,
    training: bool,
    num_workers: int,
    seed: int,
    samples_per_epoch: int | None = None,
    is_repeated: bool = False,
    rank: int = 0,
    num_ranks: int = 1,
    crops: CropBatches | None = None,
    device: torch.device | None = None,
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
        is_repeated: whether every training epoch has the batches of the first.
        rank: of this process, which takes its share of every training batch.
        num_ranks: number of processes.
        crops: the batches of `dataset` as crops, for the device to render; None: workers render.
        device: of the training, to which batches are copied ahead if it is a GPU; None: the CPU.

    Raises:
        ValueError: there are too few samples for so many processes.
    """
    sampler = EpochSampler(
        strata=dataset.strata,
        seed=seed,
        shuffle=training,
        mixed=isinstance(dataset, ViewDataset),
        length=samples_per_epoch,
        is_repeated=is_repeated,
        rank=rank,
        num_ranks=num_ranks,
    )
    own = min(batch_size, sampler.length)
    if training:
        _warn_if_short(dataset, own, batch_size)
        own = _own_share(own, num_ranks)
    return _loader(crops or dataset, sampler, own, num_workers, device or torch.device("cpu"))


def _warn_if_short(dataset: ViewDataset | TargetDataset, own: int, batch_size: int) -> None:
    """Log that the dataset has fewer samples than a training batch, if so."""
    if own < batch_size:
        _log.warning(
            "%s: %d training samples for a batch of %d; the batch is as large as the dataset",
            *(dataset.source.name, own, batch_size),
        )


def _own_share(batch_size: int, num_ranks: int) -> int:
    """Return the part of a batch that one process takes."""
    if num_ranks > 1 and batch_size // num_ranks < _LEAST_TO_NORMALISE:
        raise ValueError(
            f"a batch of {batch_size} for {num_ranks} processes: BatchNorm needs "
            f"{_LEAST_TO_NORMALISE} samples in each; take fewer trainer.devices, or more samples"
        )
    return batch_size // num_ranks


def _loader(
    dataset: ViewDataset | TargetDataset | CropBatches,
    sampler: EpochSampler,
    batch_size: int,
    num_workers: int,
    device: torch.device,
) -> DataLoader:
    # Workers already run in parallel; OpenCV's own thread pool hangs in a forked one.
    cv2.setNumThreads(0)
    is_copied_ahead = sampler.shuffle and device.type == "cuda"
    kind = partial(DeviceLoader, device=device) if is_copied_ahead else DataLoader
    return kind(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        drop_last=sampler.shuffle,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        num_workers=num_workers,
        worker_init_fn=begin_worker,
        multiprocessing_context=process_context() if num_workers else None,
        persistent_workers=num_workers > 0,
    )
