"""The online probe of a run: a few labelled crops to fit it to, and others to measure it on."""

import numpy as np
import torch
from omegaconf import DictConfig
from torch.utils.data import default_collate

from handpose import build
from handpose.data.base import Split
from handpose.data.loaders import TargetDataset
from handpose.data.lots import first, occurrence
from handpose.data.sampling import choose_labelled
from handpose.records import Target
from handpose.training.probe import OnlineProbe

# A regression, and leaving one out, need more than one.
_LEAST = 2


def build_probe(cfg: DictConfig) -> OnlineProbe | None:
    """The probe that `pretrain.probe` asks for, with its crops; None for none.

    Its training crops are of the part of `finetune.dataset` that counts as labelled.

    Raises:
        ValueError: that dataset is not labelled in 3D; names it and says what to do.
    """
    if cfg.pretrain.probe.samples is None:
        return None
    return OnlineProbe(
        train=_targets(cfg, "train", fraction=cfg.finetune.label_fraction),
        val=_targets(cfg, "val", fraction=1.0),
        every_n_epochs=cfg.pretrain.probe.every_n_epochs,
    )


def _targets(cfg: DictConfig, split: Split, *, fraction: float) -> Target:
    """Plain crops, drawn by lot from the split, that have every joint labelled in 3D."""
    source = build.build_dataset(cfg.finetune.dataset, split, build.build_caps(cfg))
    refusal = (
        f"pretrain.probe.samples={cfg.pretrain.probe.samples}: the probe needs hands labelled in "
        f"3D, and finetune.dataset={source.name} has {{}} in its split {split}; choose another "
        "one, dataset@finetune.dataset=LABELLED, or pretrain.probe.samples=null"
    )
    if not source.is_labelled:
        raise ValueError(refusal.format("no joints"))
    labelled = choose_labelled(source.identities, fraction=fraction, seed=cfg.seed)
    own = source.identities[labelled]
    names = np.stack((own, occurrence(own)), axis=1)
    places = first(names, cfg.pretrain.probe.samples, seed=cfg.seed)
    crops = TargetDataset(
        source,
        build.build_augmentation(cfg.evaluate.augment),
        reference_bone=cfg.reference_bone,
        seed=cfg.seed,
        indices=labelled[places],
    )
    # one by one: a loader would draw from the run's random numbers
    target = default_collate([crops[0, place] for place in range(len(crops))])
    complete = target.xyz_valid.all(1) & target.K_valid
    if int(complete.sum()) < _LEAST:
        raise ValueError(refusal.format(f"{int(complete.sum())} complete ones among {len(crops)}"))
    return Target(*(torch.as_tensor(column)[complete] for column in target))
