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
    for stage in ("pretrain", "finetune"):
        cfg[stage].dataset.packed = True
    if parts.chosen(cfg.objective):
        augmentations = parts.build_view_augmentations(cfg)
        for split in FOR_VIEWS:
            source = parts.build_dataset(cfg.pretrain.dataset, split, parts.build_caps(cfg))
            yield _use("pretrain", source, *augmentations.values())
    if parts.chosen(cfg.head):
        training, plain = cfg.finetune.augment, cfg.evaluate.augment
        for split in SPLITS:
            if split in {"train", "val", cfg.evaluate.split}:
                source = parts.build_dataset(cfg.finetune.dataset, split, parts.build_caps(cfg))
                augment = training if split == "train" else plain
                yield _use("finetune", source, parts.build_augmentation(augment))


def _use(stage: str, source: HandDataset, *augmentations: Augmentation) -> Use:
    return Use(stage, source, reach_of(augmentations, source.image_size))
