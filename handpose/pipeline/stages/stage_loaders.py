"""Build the data loaders of the stages."""

from typing import Any

import torch
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from handpose.data.loaders import build_loader
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.distributed import collectives
from handpose.pipeline import parts, trainer_flags, trainers
from handpose.pipeline.stages.device_batches import DeviceBatches


def training_loader(
    cfg: DictConfig,
    stage: DictConfig,
    dataset: ViewDataset | TargetDataset,
    *,
    batches_done: int = 0,
    on_device: DeviceBatches | None = None,
    device: torch.device | None = None,
) -> DataLoader:
    """Build this rank's loader of shuffled full batches, under the caps.

    Args:
        cfg: configuration of the run.
        stage: `cfg.pretrain` or `cfg.finetune`.
        dataset: training split.
        batches_done: batches of all epochs so far; the loader starts after them.
        on_device: the batches of `dataset` for the device; None: the workers make its views.
        device: of the training; None: the CPU.
    """
    caps = parts.build_caps(cfg)
    is_resident = on_device is not None and on_device.resident is not None
    loader = build_loader(
        dataset,
        batch_size=parts.capped(stage.batch_size, caps.batch_size),
        training=True,
        # Resident crops leave only numbers to draw: workers do so if they are asked for.
        num_workers=(cfg.trainer.num_workers or 0) if is_resident else trainers.num_workers(cfg),
        seed=cfg.seed,
        samples_per_epoch=stage.samples_per_epoch,
        is_repeated=cfg.trainer.lightning.overfit_batches is not None,
        rank=collectives.rank(),
        num_ranks=collectives.world_size(),
        crops=None if on_device is None else on_device.crops,
        device=device,
    )
    epoch, batch = divmod(batches_done, trainer_flags.training_batches(cfg, len(loader)))
    sampler: Any = loader.sampler
    sampler.start_at(epoch=epoch, sample=batch * (loader.batch_size or 1))
    return loader


def evaluation_loader(
    cfg: DictConfig, dataset: ViewDataset | TargetDataset, *, device: torch.device | None = None
) -> DataLoader:
    """Build a loader that reads every sample once, under the caps.

    Args:
        cfg: configuration of the run.
        dataset: split to read.
        device: of the evaluation; None: the CPU.
    """
    return build_loader(
        dataset,
        batch_size=parts.capped(cfg.evaluate.batch_size, parts.build_caps(cfg).batch_size),
        training=False,
        num_workers=trainers.num_workers(cfg),
        seed=cfg.seed,
        device=device,
    )
