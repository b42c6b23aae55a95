"""Build every split that a run needs, once, before any stage starts."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from handpose.augment.reach import reach_of
from handpose.augment.settings import Augmentation
from handpose.config.errors import during
from handpose.data.base import SPLITS, HandDataset, Split
from handpose.data.packed.opening import with_pack
from handpose.data.sampling import choose_labelled
from handpose.data.targets_dataset import TargetDataset
from handpose.data.unreadable import UnreadableList
from handpose.data.views_dataset import ViewDataset
from handpose.distributed import collectives
from handpose.evaluation.evaluation import Results
from handpose.pipeline import parts
from handpose.pipeline.run_directory import UNREADABLE
from handpose.pipeline.stages.device_batches import require_resident
from handpose.pipeline.stages.validation_cut import record_cut

# BatchNorm needs two samples.
_LEAST_TO_TRAIN = 2
FOR_VIEWS: tuple[Split, ...] = ("train", "val")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Splits:
    """Datasets of the stages in use.

    Attributes:
        views: "train" and "val" pairs; empty with `objective=none`. Held-out pairs are augmented
            like training pairs, but are the same in every epoch.
        labelled: "train", "val" and the evaluated split of fine-tuning's dataset; without the
            last one if another dataset is evaluated. Empty with `head=none`.
        evaluated: the evaluated split; None with `head=none`.
        unlabelled: "train" of pre-training's dataset as plain crops, on which fine-tuning adapts
            BatchNorm; empty without `finetune.adapt_norm`.
        unreadable: images that were replaced in training.
    """

    views: dict[Split, ViewDataset]
    labelled: dict[Split, TargetDataset]
    evaluated: TargetDataset | None
    unlabelled: dict[Split, TargetDataset]
    unreadable: UnreadableList

    @property
    def evaluated_apart(self) -> dict[Split, TargetDataset]:
        """Return the evaluated split by name if it is of another dataset; else nothing."""
        own = self.evaluated
        if own is None or any(own is used for used in self.labelled.values()):
            return {}
        return {own.source.split: own}

    def read(self) -> Results:
        """Return the held-out splits in use; under caps they may differ from those asked for."""
        named: dict[str, ViewDataset | TargetDataset | None] = {
            "pretrain_val_split": self.views.get("val"),
            "finetune_val_split": self.labelled.get("val"),
            "split": self.evaluated,
        }
        found: Results = {
            name: used.source.split for name, used in named.items() if used is not None
        }
        if self.evaluated is not None and self.evaluated_apart:
            found["dataset"] = self.evaluated.source.name
        return found


@during("preparing the data", "dataset.num_train")
def build_splits(cfg: DictConfig, run_dir: Path) -> Splits:
    """Build every split that the chosen stages need; rank 0 renders and indexes first.

    Args:
        cfg: configuration of the run.
        run_dir: folder for the list of unreadable images and the validation cut.

    Raises:
        ValueError: a split is missing, malformed, or too small for BatchNorm; names it.
    """
    built: list[Splits] = []
    collectives.decided(lambda: built.append(_build(cfg, run_dir)))
    return built[0] if built else _build(cfg, run_dir)


def _build(cfg: DictConfig, run_dir: Path) -> Splits:
    unreadable = UnreadableList(run_dir / UNREADABLE, limit=cfg.trainer.max_unreadable)
    labelled = _labelled(cfg, unreadable) if parts.chosen(cfg.head) else {}
    splits = Splits(
        views=_views(cfg, unreadable) if parts.chosen(cfg.objective) else {},
        labelled=labelled,
        evaluated=_evaluated(cfg, labelled) if labelled else None,
        unlabelled=_unlabelled(cfg, unreadable) if labelled and cfg.finetune.adapt_norm else {},
        unreadable=unreadable,
    )
    for datasets in (splits.views, splits.labelled):
        if datasets:
            require_resident(cfg, datasets["train"])
        if datasets and len(datasets["train"]) < _LEAST_TO_TRAIN:
            raise ValueError(
                f"{datasets['train'].source.name}: {len(datasets['train'])} training sample, but "
                "BatchNorm needs two; raise finetune.label_fraction or add samples to the dataset"
            )
    if collectives.is_first():
        used = (splits.views, splits.labelled, splits.evaluated_apart)
        record_cut(run_dir, [datasets[split].source for datasets in used for split in datasets])
    return splits


def _views(cfg: DictConfig, unreadable: UnreadableList) -> dict[Split, ViewDataset]:
    augmentations, caps = parts.build_view_augmentations(cfg), parts.build_caps(cfg)
    reach = reach_of(augmentations.values(), cfg.pretrain.dataset.image_size)
    train, val = (
        with_pack(
            parts.build_dataset(cfg.pretrain.dataset, split, caps), reach, parts.pack_folder(cfg)
        )
        for split in FOR_VIEWS
    )
    _warn_of_boxes(train, "pre-training")
    if any(settings.reads_joints for settings in augmentations.values()):
        _log.warning(
            "pre-training on %s uses labels: it cuts out about joints (augment.cut_out_at=joint)",
            train.name,
        )
    mined_parts = parts.mined_parts(cfg)
    if mined_parts and cfg.pretrain.mining.joints == "given":
        _log.warning(
            "pre-training on %s uses labels: it mines positives by joint labels "
            "(pretrain.mining.joints=given)",
            train.name,
        )
    return {
        split: ViewDataset(
            source,
            augmentations,
            seed=cfg.seed,
            mined=parts.build_mined(cfg, source),
            mined_parts=mined_parts,
            unreadable=unreadable if split == "train" else None,
        )
        for split, source in zip(FOR_VIEWS, (train, val), strict=True)
    }


def _warn_of_boxes(source: HandDataset, use: str) -> None:
    if source.crops_by_labels:
        _log.warning(
            "%s on %s uses labels: it crops by joint labels (dataset.crop_by=joints, or a source "
            "without other boxes)",
            use,
            source.name,
        )


def _labelled(cfg: DictConfig, unreadable: UnreadableList) -> dict[Split, TargetDataset]:
    in_use = {"train", "val"} | ({cfg.evaluate.split} if cfg.evaluate.dataset is None else set())
    return {
        split: labelled_split(cfg, split, unreadable=unreadable if split == "train" else None)
        for split in SPLITS
        if split in in_use
    }


def _evaluated(cfg: DictConfig, labelled: dict[Split, TargetDataset]) -> TargetDataset:
    if cfg.evaluate.dataset is None:
        return labelled[cfg.evaluate.split]
    return evaluated_split(cfg)


def _unlabelled(cfg: DictConfig, unreadable: UnreadableList) -> dict[Split, TargetDataset]:
    """Build plain crops of random images of pre-training, in whole batches if possible.

    A batch in the order of a dataset would be of one recording, and have too little variance.
    """
    caps = parts.build_caps(cfg)
    source = parts.build_dataset(cfg.pretrain.dataset, "train", caps)
    batch = parts.capped(cfg.evaluate.batch_size, caps.batch_size)
    count = min(cfg.finetune.adapt_norm, len(source))
    count -= count % batch if count > batch else 0
    chosen = np.random.default_rng(cfg.seed).permutation(len(source))[:count]
    augmentation = parts.build_augmentation(cfg.evaluate.augment)
    _warn_of_boxes(source, "finetune.adapt_norm")
    return {"train": _crops(cfg, source, augmentation, indices=chosen, unreadable=unreadable)}


def evaluated_split(cfg: DictConfig) -> TargetDataset:
    """Build the plain crops of the evaluated split.

    Raises:
        ValueError: the source has no labels.
    """
    return _targets(cfg, parts.evaluated_dataset(cfg), cfg.evaluate.split)


def labelled_split(
    cfg: DictConfig, split: Split, *, unreadable: UnreadableList | None = None
) -> TargetDataset:
    """Build labelled crops of fine-tuning's dataset.

    Those of "train" are augmented and of the labelled part. Others are plain and all.

    Args:
        cfg: configuration of the run.
        split: "train", "val" or "test".
        unreadable: see `TargetDataset`.

    Raises:
        ValueError: the source has no labels.
    """
    return _targets(cfg, cfg.finetune.dataset, split, unreadable)


def _targets(
    cfg: DictConfig, node: DictConfig, split: Split, unreadable: UnreadableList | None = None
) -> TargetDataset:
    source = parts.build_dataset(node, split, parts.build_caps(cfg))
    if not source.is_labelled:
        raise ValueError(_without_labels(source.name))
    training = split == "train"
    fraction = cfg.finetune.label_fraction if training else 1.0
    indices = choose_labelled(source.identities, fraction=fraction, seed=cfg.seed)
    if fraction < 1:
        part = f"{len(indices) / max(1, len(source)):.2%}"
        _log.info(
            "label_fraction=%g: %d of %d hands (%s)", fraction, len(indices), len(source), part
        )
    augmentation = parts.build_augmentation(
        cfg.finetune.augment if training else cfg.evaluate.augment
    )
    return _crops(cfg, source, augmentation, indices=indices, unreadable=unreadable)


def _crops(
    cfg: DictConfig, source: HandDataset, augmentation: Augmentation, **settings: Any
) -> TargetDataset:
    """Build the crops of a source, packed if there is a pack; `settings` of `TargetDataset`."""
    reach = reach_of([augmentation], source.image_size)
    packed = with_pack(source, reach, parts.pack_folder(cfg))
    bone = cfg.reference_bone
    return TargetDataset(packed, augmentation, reference_bone=bone, seed=cfg.seed, **settings)


def _without_labels(name: str) -> str:
    hint = "; dataset.joint_regressor=FILE gives it joints" * (name == "youtube")
    return (
        f"dataset={name} has no joints to fine-tune or evaluate on. Use it for pre-training alone "
        f"(dataset@pretrain.dataset={name} dataset=LABELLED), or stop after it with head=none{hint}"
    )
