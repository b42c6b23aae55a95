"""The objective: its parts, what each sees, and whose pairs are mined."""

from collections.abc import Mapping

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from handpose.augment.settings import Augmentation
from handpose.backbones.base import Backbone
from handpose.build.data import build_augmentation
from handpose.build.model import widths
from handpose.build.node import make
from handpose.data.base import HandDataset
from handpose.data.mining import Mined, mine
from handpose.objectives.base import Objective
from handpose.objectives.hybrid import Hybrid


def _part_name(cfg: DictConfig) -> str:
    return cfg.objective._target_.split(".")[-1].lower()


def _parts(cfg: DictConfig) -> dict[str, tuple[DictConfig, DictConfig]]:
    """(objective, augmentation) of each part, by its name; a plain objective is one part.

    A part of no weight is left out: its views would cost as much, and take part in BatchNorm.
    """
    if "parts" not in cfg.objective:
        return {_part_name(cfg): (cfg.objective, cfg.pretrain.augment)}
    return {
        name: (OmegaConf.masked_copy(part, [key for key in part if key != "augment"]), part.augment)
        for name, part in cfg.objective.parts.items()
        if (cfg.objective.get("weights") or {}).get(name) != 0
    }


def build_view_augmentations(cfg: DictConfig) -> dict[str, Augmentation]:
    """What each part of the objective sees, by its name."""
    return {name: build_augmentation(augment) for name, (_, augment) in _parts(cfg).items()}


def mined_parts(cfg: DictConfig) -> frozenset[str]:
    """The parts of the objective whose pairs are of two images; none with `positives=self`.

    Raises:
        ValueError: the positives are mined, and no part can take them.
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
            "choose a contrastive objective, or pretrain.positives=self"
        )
    return takers


def build_mined(cfg: DictConfig, source: HandDataset) -> Mined | None:
    """The partners of a split's samples; None where every view is of the sample itself."""
    return mine(source, **cfg.pretrain.mining) if mined_parts(cfg) else None


def build_objective(
    cfg: DictConfig, backbone: Backbone, augmentations: Mapping[str, Augmentation]
) -> Hybrid:
    """The parts of the objective under their weights; a plain objective is one part."""
    parts: dict[str, Objective] = {
        name: make(
            node,
            **widths(backbone),
            image_size=cfg.pretrain.dataset.image_size,
            augmentation=augmentations[name],
        )
        for name, (node, _) in _parts(cfg).items()
    }
    given = cfg.objective.get("weights") or dict.fromkeys(parts, 1.0)
    return Hybrid(parts=parts, weights={name: w for name, w in given.items() if w != 0})
