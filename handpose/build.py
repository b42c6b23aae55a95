"""Configuration -> parts: the one place where plain values leave the config."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.loggers.logger import Logger

from handpose.augment.settings import Augmentation
from handpose.backbones.base import Backbone
from handpose.data.base import HandDataset, MissingSplitError, Split
from handpose.data.loaders import default_num_workers
from handpose.heads.base import Head
from handpose.model import PoseModel
from handpose.objectives.base import Objective
from handpose.objectives.hybrid import Hybrid
from handpose.training.checkpoint import VerifiedCheckpointIO, stage_checkpoints
from handpose.training.optim import OptimizerFactory

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caps:
    """What `trainer=debug` allows at most; None for no limit."""

    max_epochs: int | None = None
    batches: int | None = None
    batch_size: int | None = None
    samples: int | None = None


def build_caps(cfg: DictConfig) -> Caps:
    """The caps of `cfg.trainer`."""
    return Caps(**(cfg.trainer.caps or {}))


def capped(value: int, cap: int | None) -> int:
    """`value`, at most `cap`."""
    return value if cap is None else min(value, cap)


def _make(node: DictConfig, **supplied: Any) -> Any:
    """The part that `node` describes, given what the run supplies.

    In two steps, so that Hydra neither converts what is supplied nor wraps the part's own errors.
    """
    return instantiate(node, _partial_=True, _convert_="all")(**supplied)


def chosen(part: DictConfig) -> bool:
    """Whether the part is there at all: `objective=none` and `head=none` have no target."""
    return part.get("_target_") is not None


def build_dataset(node: DictConfig, split: Split, caps: Caps) -> HandDataset:
    """One split; under caps another split stands in for a missing one, and the log says so.

    Raises:
        MissingSplitError: the source has no such split, and there are no caps.
    """
    stand_ins: dict[Split, tuple[Split, ...]] = {"val": ("train",), "test": ("val", "train")}
    candidates: tuple[Split, ...] = (split, *(stand_ins.get(split, ()) if caps.samples else ()))
    for candidate in candidates:
        try:
            dataset = _make(node, split=candidate, max_samples=caps.samples)
        except MissingSplitError as error:
            if candidate == candidates[-1]:
                raise
            _log.warning("%s; taking another split for %s", error, split)
        else:
            return dataset
    raise AssertionError("the last candidate returns or raises")


def build_augmentation(node: DictConfig) -> Augmentation:
    """The switches and ranges of a stage."""
    return _make(node)


def build_optimizer(node: DictConfig) -> OptimizerFactory:
    """Parameter groups -> optimizer; its file in conf/ asks for a partial."""
    return instantiate(node, _convert_="all")


def build_backbone(cfg: DictConfig) -> Backbone:
    """The backbone with the weights it starts from."""
    return _make(cfg.backbone)


def _widths(backbone: Backbone) -> dict[str, Any]:
    return {
        "channels": backbone.channels,
        "strides": backbone.strides,
        "embedding_dim": backbone.embedding_dim,
    }


def _part_name(cfg: DictConfig) -> str:
    return cfg.objective._target_.split(".")[-1].lower()


def _parts(cfg: DictConfig) -> dict[str, tuple[DictConfig, DictConfig]]:
    """(objective, augmentation) of each part, by its name; a plain objective is one part."""
    if "parts" not in cfg.objective:
        return {_part_name(cfg): (cfg.objective, cfg.pretrain.augment)}
    return {
        name: (OmegaConf.masked_copy(part, [key for key in part if key != "augment"]), part.augment)
        for name, part in cfg.objective.parts.items()
    }


def build_view_augmentations(cfg: DictConfig) -> dict[str, Augmentation]:
    """What each part of the objective sees, by its name."""
    return {name: build_augmentation(augment) for name, (_, augment) in _parts(cfg).items()}


def build_objective(
    cfg: DictConfig, backbone: Backbone, augmentations: Mapping[str, Augmentation]
) -> Hybrid:
    """The parts of the objective under their weights; a plain objective is one part."""
    parts: dict[str, Objective] = {
        name: _make(
            node,
            **_widths(backbone),
            image_size=cfg.pretrain.dataset.image_size,
            augmentation=augmentations[name],
        )
        for name, (node, _) in _parts(cfg).items()
    }
    return Hybrid(parts=parts, weights=cfg.objective.get("weights") or dict.fromkeys(parts, 1.0))


def build_model(cfg: DictConfig, backbone: Backbone) -> PoseModel:
    """The backbone under the head."""
    head: Head = _make(
        cfg.head,
        **_widths(backbone),
        image_size=cfg.finetune.dataset.image_size,
        reference_bone=cfg.reference_bone,
    )
    return PoseModel(backbone=backbone, head=head, freeze_backbone=cfg.finetune.freeze_backbone)


def build_trainer(
    cfg: DictConfig,
    stage: DictConfig,
    *,
    folder: Path | None,
    monitor: str | None,
    loggers: list[Logger],
) -> pl.Trainer:
    """Lightning's trainer of one stage; its checkpoints lie in `folder`, if any."""
    caps = build_caps(cfg)
    batches: int | float = 1.0 if caps.batches is None else caps.batches
    checkpoints = [] if folder is None else [stage_checkpoints(folder, monitor=monitor)]
    return pl.Trainer(
        accelerator=cfg.trainer.accelerator,
        devices=cfg.trainer.devices,
        precision=cfg.trainer.precision,
        deterministic=cfg.trainer.deterministic,
        max_epochs=capped(stage.max_epochs, caps.max_epochs),
        accumulate_grad_batches=stage.accumulate_grad_batches,
        limit_train_batches=batches,
        limit_val_batches=batches,
        logger=loggers,
        callbacks=[RichProgressBar(), *checkpoints],
        enable_checkpointing=folder is not None,
        plugins=[VerifiedCheckpointIO()],
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


def num_workers(cfg: DictConfig) -> int:
    """As configured, or one for each core."""
    configured = cfg.trainer.num_workers
    return default_num_workers() if configured is None else int(configured)
