"""The packs that a configuration uses: one for each split of its stages."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from handpose.augment.reach import Reach, reach_of
from handpose.augment.settings import Augmentation
from handpose.data.base import SPLITS, HandDataset
from handpose.data.packed.opening import unpackable
from handpose.data.packed.plan import describe, place
from handpose.pipeline import parts
from handpose.pipeline.stages.splits import FOR_VIEWS


class Use(NamedTuple):
    """A split of a stage, and what its views can show."""

    stage: str
    source: HandDataset
    reach: Reach

    @property
    def refusal(self) -> str | None:
        """Why the split cannot be packed; None if it can."""
        return unpackable(self.source)

    def folder(self, packs: Path) -> Path:
        """Return the folder of its pack.

        Args:
            packs: folder of all packs.
        """
        return place(packs, describe(self.source, self.reach, self.source.pack_format))


def uses(cfg: DictConfig) -> Iterator[Use]:
    """Yield the splits that a run would open with `dataset.packed=true`.

    Args:
        cfg: configuration of the run.
    """
    cfg = cfg.copy()
    for node in (cfg.pretrain.dataset, cfg.finetune.dataset, parts.evaluated_dataset(cfg)):
        node.packed = True
    if parts.chosen(cfg.objective):
        augmentations = parts.build_view_augmentations(cfg)
        for split in FOR_VIEWS:
            source = parts.build_dataset(cfg.pretrain.dataset, split, parts.build_caps(cfg))
            yield _use("pretrain", source, *augmentations.values())
    if parts.chosen(cfg.head):
        yield from _labelled_uses(cfg)


def _labelled_uses(cfg: DictConfig) -> Iterator[Use]:
    """Yield the splits of fine-tuning and of the evaluation."""
    is_apart = cfg.evaluate.dataset is not None
    in_use = {"train", "val"} | (set() if is_apart else {cfg.evaluate.split})
    nodes = [("finetune", cfg.finetune.dataset, split) for split in SPLITS if split in in_use]
    nodes += [("evaluate", cfg.evaluate.dataset, cfg.evaluate.split)] if is_apart else []
    for stage, node, split in nodes:
        source = parts.build_dataset(node, split, parts.build_caps(cfg))
        augment = cfg.finetune.augment if split == "train" else cfg.evaluate.augment
        yield _use(stage, source, parts.build_augmentation(augment))


def _use(stage: str, source: HandDataset, *augmentations: Augmentation) -> Use:
    return Use(stage, source, reach_of(augmentations, source.image_size))
