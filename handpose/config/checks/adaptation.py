"""Checks of `finetune.adapt_norm` with other keys."""

from omegaconf import DictConfig

from handpose.config.catalogue import Catalogue
from handpose.config.checks.combinations import Found, stages
from handpose.config.content import found_value

_LEAST = 8  # images of a batch whose variance says something


def adaptation_problems(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse a backbone that stays as it is, crops of another size, and batches that are too small.

    Args:
        cfg: configuration of the run, whose values are valid alone.
        _: the parts, which are not read.
    """
    if cfg.finetune.adapt_norm is None or "finetune" not in stages(cfg):
        return []
    start, problems = f"finetune.adapt_norm={cfg.finetune.adapt_norm}: ", []
    if cfg.finetune.freeze_backbone:
        problems.append(
            "changes BatchNorm's statistics, which finetune.freeze_backbone=true keeps; leave one "
            "of them out"
        )
    own, side = (found_value(cfg, f"{s}.dataset.image_size") for s in ("finetune", "pretrain"))
    if own != side:
        problems.append(
            f"needs crops of one size, and pretrain.dataset.image_size={side} is not that of "
            f"fine-tuning; set pretrain.dataset.image_size={own}"
        )
    if cfg.evaluate.batch_size < _LEAST:
        problems.append(f"needs batches; set evaluate.batch_size to {_LEAST} or more")
    return [start + problem for problem in problems]
