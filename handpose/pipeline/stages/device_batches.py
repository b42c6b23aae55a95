"""Choose where the views of a stage's training batches are made: data workers or the device."""

import logging
from typing import Any, NamedTuple

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from handpose.augment.device.recipe import device_refusal
from handpose.data import resident
from handpose.data.batches import DrawnDataset
from handpose.data.crop_batches import CropBatches
from handpose.data.packed.opening import unpackable

_log = logging.getLogger(__name__)
_BY_WORKERS = "data workers make the views, on the CPU"


class DeviceBatches(NamedTuple):
    """The training batches of a stage whose views the device makes."""

    crops: CropBatches
    resident: Tensor | None  # (M, P, Q, 3) uint8 on the device; None: batches bring their crops


def device_batches(
    cfg: DictConfig, dataset: DrawnDataset[Any], device: torch.device
) -> DeviceBatches | None:
    """Return the batches of a training split as crops; None if the workers make its views.

    Args:
        cfg: configuration of the run, with `trainer.augment_on` resolved.
        dataset: the training split.
        device: of the training.

    Raises:
        ValueError: `trainer.resident=true`, and the crops are not packed or do not fit.
    """
    require_resident(cfg, dataset)
    if cfg.trainer.augment_on != "device":
        return None
    if reason := _refusal(dataset):
        _log.info("%s, so %s", reason, _BY_WORKERS)
        return None
    pack = getattr(dataset.source, "pack", None)  # of `handpose.data.packed`
    if pack is None:
        _log.info("%s makes the views; data workers read and cut their crops", device)
        return DeviceBatches(CropBatches(dataset), None)
    places = np.unique(dataset.indices)
    if cfg.trainer.resident is False or not _fits(cfg, len(places) * pack.bytes_each, device):
        _log.info("%s makes the views; data workers gather their packed crops", device)
        return DeviceBatches(CropBatches(dataset, gather=pack.pixels), None)
    crops = resident.copy_to_device(pack.pixels, places, device)
    return DeviceBatches(CropBatches(dataset, resident=places), crops)


def require_resident(cfg: DictConfig, dataset: DrawnDataset[Any]) -> None:
    """Refuse `trainer.resident=true` for a training split that cannot be resident.

    Args:
        cfg: configuration of the run, with `trainer.augment_on` resolved.
        dataset: the training split.

    Raises:
        ValueError: workers make its views, or its crops are not packed.
    """
    if cfg.trainer.augment_on != "device":
        _refuse(cfg, f"{_BY_WORKERS}; set trainer.augment_on=device, or trainer.resident=auto")
    if reason := _refusal(dataset):
        _refuse(cfg, f"{reason}, so {_BY_WORKERS}; set trainer.resident=auto")
    source = dataset.source
    if getattr(source, "pack", None) is None:
        advice = "set dataset.packed=true, which packs it first"
        if reason := unpackable(source):
            advice = f"{reason}; set trainer.resident=auto"
        _refuse(cfg, f"{source.name} is not packed; {advice}")


def _refusal(dataset: DrawnDataset[Any]) -> str | None:
    """Return why only workers can make the views of a split; None if the device can."""
    refusals = map(device_refusal, dataset.augmentations.values())
    return next(filter(None, refusals), None)


def _fits(cfg: DictConfig, num_bytes: int, device: torch.device) -> bool:
    """Return whether crops are to be resident; `auto` is for GPUs."""
    if cfg.trainer.resident == "auto" and device.type == "cpu":
        return False
    if problem := resident.misfit(num_bytes, device):
        _refuse(cfg, f"{problem}; set trainer.resident=false, or pack smaller crops")
        _log.info("resident data: no, %s", problem)
    return problem is None


def _refuse(cfg: DictConfig, problem: str) -> None:
    """Raise an error if resident data are demanded."""
    if cfg.trainer.resident is True:
        raise ValueError(f"trainer.resident=true: {problem}")
