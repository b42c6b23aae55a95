"""Build parts from the configuration: datasets, augmentations, models, optimizer, objective."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf

from handpose.augment.settings import Augmentation
from handpose.backbones.base import Backbone
from handpose.config.checks.safety import class_value
from handpose.data.base import HandDataset, MissingSplitError, Split
from handpose.data.positives.mining import Mined, mine
from handpose.heads.base import Head
from handpose.model import PoseModel
from handpose.objectives.base import Objective
from handpose.objectives.hybrid import Hybrid
from handpose.training.optimizers import OptimizerFactory
from handpose.weights.read import read_beside

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caps:
    """Upper limits set by `trainer=debug`; None for no limit."""

    max_epochs: int | None = None
    batches: int | None = None
    batch_size: int | None = None
    samples: int | None = None


def build_caps(cfg: DictConfig) -> Caps:
    """Return the caps of `cfg.trainer`."""
    return Caps(**(cfg.trainer.caps or {}))


def capped(value: int, cap: int | None) -> int:
    """Return the smaller of `value` and `cap`.

    Args:
        value: the uncapped value.
        cap: upper limit; None for no limit.
    """
    return value if cap is None else min(value, cap)


def make(node: DictConfig, **supplied: Any) -> Any:
    """Build the part that `node` describes.

    Two steps keep Hydra from converting the supplied values and from wrapping the part's errors.

    Args:
        node: configuration with a `_target_`.
        **supplied: arguments from the run, such as sizes.
    """
    return instantiate(node, _partial_=True, _convert_="all")(**supplied)


def chosen(part: DictConfig) -> bool:
    """Return whether the part is in use; `objective=none` and `head=none` have no target."""
    return part.get("_target_") is not None


_WITHOUT: dict[Split, str] = {
    "train": ". Add its files; without them a run can be evaluated on it, but not trained",
    "val": ". Add its files, or hold out a larger part with dataset.val_fraction",
    "test": ". Add its files, or evaluate on the validation split with evaluate.split=val",
}


def build_dataset(node: DictConfig, split: Split, caps: Caps) -> HandDataset:
    """Build one split; under caps another split replaces a missing one, with a warning.

    Args:
        node: configuration of the source.
        split: "train", "val" or "test".
        caps: limits; with `samples` set, a missing "val" or "test" is replaced.

    Raises:
        MissingSplitError: the source has no such split, and no split may replace it.
    """
    stand_ins: dict[Split, tuple[Split, ...]] = {"val": ("train",), "test": ("val", "train")}
    candidates: tuple[Split, ...] = (split, *(stand_ins.get(split, ()) if caps.samples else ()))
    for candidate in candidates:
        try:
            dataset = make(node, split=candidate, max_samples=caps.samples)
        except MissingSplitError as error:
            if candidate == candidates[-1]:
                raise MissingSplitError(f"{error}{_WITHOUT[split]}") from None
            missing = error
        else:
            if candidate != split:
                _log.warning("%s; using its %s split in place of %s", missing, candidate, split)
            return dataset
    raise AssertionError("the last candidate returns or raises")


def evaluated_dataset(cfg: DictConfig) -> DictConfig:
    """Return the configuration of the evaluated dataset: its own, or that of fine-tuning."""
    return cfg.finetune.dataset if cfg.evaluate.dataset is None else cfg.evaluate.dataset


def pack_folder(cfg: DictConfig) -> Path:
    """Return the folder of all packed crops."""
    return Path(cfg.paths.cache) / "packed"


def build_terms(cfg: DictConfig) -> dict[str, dict[str, str]]:
    """Return {stage: {source: terms of use}} of the stages in use.

    Opens no data and imports no class.

    Args:
        cfg: configuration of the run as it was trained; one for an evaluation has the same dataset
            in both stages.
    """
    ran = {"pretrain": chosen(cfg.objective), "finetune": chosen(cfg.head)}
    return {stage: _terms(cfg[stage].dataset) for stage in ran if ran[stage]}


def _terms(node: DictConfig) -> dict[str, str]:
    """Return {source: terms of use}, with every source of a mix."""
    if "sources" in node:
        parts = (_terms(node.parts[name]) for name in node.sources)
        return {name: terms for part in parts for name, terms in part.items()}
    name, terms = (class_value(node._target_, own) for own in ("name", "terms"))
    return {name or str(node._target_): terms or HandDataset.terms}


def build_augmentation(node: DictConfig) -> Augmentation:
    """Build the augmentation settings of a stage."""
    return make(node)


def build_optimizer(node: DictConfig) -> OptimizerFactory:
    """Build the function from parameter groups to an optimizer."""
    return instantiate(node, _convert_="all")


def build_backbone(cfg: DictConfig) -> Backbone:
    """Build the backbone with its start weights, in channels-last layout if configured.

    The weights' layout carries over to the activations, so images keep theirs.
    """
    kind: type[Backbone] = get_class(cfg.backbone._target_)
    supplied = {"image_sizes": _image_sizes(cfg)} if kind.takes_image_sizes else {}
    backbone: Backbone = make(cfg.backbone, **supplied)
    if cfg.backbone.weights not in (None, backbone.published):
        beside = read_beside(Path(cfg.backbone.weights))
        backbone.decoder = beside.get("decoder")
        backbone.take_statistics(beside.get("meta", {}))
    if cfg.trainer.channels_last is True:  # not auto, of a model without a run
        backbone.to(memory_format=torch.channels_last)
    return backbone


def _image_sizes(cfg: DictConfig) -> list[int]:
    """Return the sides of the images, in px, of the stages that run."""
    ran = {"pretrain": chosen(cfg.objective), "finetune": chosen(cfg.head)}
    return [cfg[stage].dataset.image_size for stage in ran if ran[stage]]


def build_model(cfg: DictConfig, backbone: Backbone) -> PoseModel:
    """Build the pose model from the backbone and the configured head.

    Args:
        cfg: configuration of the run.
        backbone: part of the model, not copied.
    """
    head: Head = make(
        cfg.head,
        **backbone.widths,
        image_size=cfg.finetune.dataset.image_size,
        reference_bone=cfg.reference_bone,
    )
    return PoseModel(backbone=backbone, head=head, freeze_backbone=cfg.finetune.freeze_backbone)


def _part_name(cfg: DictConfig) -> str:
    return cfg.objective._target_.split(".")[-1].lower()


def _parts(cfg: DictConfig) -> dict[str, tuple[DictConfig, DictConfig]]:
    """Return {name: (objective, augmentation)}; a plain objective is one part.

    Parts of weight 0 are dropped: their views would cost time and enter BatchNorm.
    """
    if "parts" not in cfg.objective:
        return {_part_name(cfg): (cfg.objective, cfg.pretrain.augment)}
    return {
        name: (OmegaConf.masked_copy(part, [key for key in part if key != "augment"]), part.augment)
        for name, part in cfg.objective.parts.items()
        if (cfg.objective.get("weights") or {}).get(name) != 0
    }


def build_view_augmentations(cfg: DictConfig) -> dict[str, Augmentation]:
    """Build the augmentation of each part of the objective, by name."""
    return {name: build_augmentation(augment) for name, (_, augment) in _parts(cfg).items()}


def mined_parts(cfg: DictConfig) -> frozenset[str]:
    """Return the parts of the objective that use mined pairs; none with `positives=self`.

    Raises:
        ValueError: the positives are mined, and no part supports them.
    """
    if cfg.pretrain.positives == "self":
        return frozenset()
    objectives = {name: get_class(node._target_) for name, (node, _) in _parts(cfg).items()}
    takers = frozenset(
        name
        for name, objective in objectives.items()
        if issubclass(objective, Objective) and objective.takes_mined_positives
    )
    if not takers:
        raise ValueError(
            f"pretrain.positives=mined: {_part_name(cfg)} needs two views of one image; "
            "choose an objective of invariance, or pretrain.positives=self"
        )
    return takers


def build_mined(cfg: DictConfig, source: HandDataset) -> Mined | None:
    """Mine the positives of a split; None if every pair shows one image.

    Args:
        cfg: configuration of the run.
        source: the split.
    """
    return mine(source, **cfg.pretrain.mining) if mined_parts(cfg) else None


def build_objective(
    cfg: DictConfig, backbone: Backbone, augmentations: Mapping[str, Augmentation]
) -> Hybrid:
    """Build the weighted parts of the objective; a plain objective is one part.

    Args:
        cfg: configuration of the run.
        backbone: gives the feature widths.
        augmentations: of each part, by name.
    """
    parts: dict[str, Objective] = {
        name: make(
            node,
            **backbone.widths,
            image_size=cfg.pretrain.dataset.image_size,
            augmentation=augmentations[name],
        )
        for name, (node, _) in _parts(cfg).items()
    }
    given = cfg.objective.get("weights") or dict.fromkeys(parts, 1.0)
    return Hybrid(parts=parts, weights={name: w for name, w in given.items() if w != 0})
