"""Datasets and augmentations."""

import logging

from hydra.utils import get_class
from omegaconf import DictConfig

from handpose.augment.settings import Augmentation
from handpose.build.node import Caps, chosen, make
from handpose.data.base import HandDataset, MissingSplitError, Split

_log = logging.getLogger(__name__)
_WITHOUT: dict[Split, str] = {
    "train": ". Add its files; without them a run can be evaluated on it, but not trained",
    "val": ". Add its files, or hold out a larger part with dataset.val_fraction",
    "test": ". Add its files, or evaluate on the validation split with evaluate.split=val",
}


def build_dataset(node: DictConfig, split: Split, caps: Caps) -> HandDataset:
    """One split; under caps another split stands in for a missing one, and the log says so.

    Raises:
        MissingSplitError: the source has no such split, and there are no caps.
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
                _log.warning("%s; its %s split stands in for %s", missing, candidate, split)
            return dataset
    raise AssertionError("the last candidate returns or raises")


def build_terms(cfg: DictConfig) -> dict[str, dict[str, str]]:
    """Stage -> source -> its terms of use, of the stages that ran; its files need not be here."""
    ran = {"pretrain": chosen(cfg.objective), "finetune": chosen(cfg.head)}
    return {stage: _terms(cfg[stage].dataset) for stage in ran if ran[stage]}


def _terms(node: DictConfig) -> dict[str, str]:
    """Of the source, or of each in a mix."""
    if "sources" in node:
        parts = (_terms(node.parts[name]) for name in node.sources)
        return {name: terms for part in parts for name, terms in part.items()}
    kind: type[HandDataset] = get_class(node._target_)
    return {kind.name: kind.terms}


def build_augmentation(node: DictConfig) -> Augmentation:
    """The switches and ranges of a stage."""
    return make(node)
