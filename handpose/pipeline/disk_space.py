"""Whether a run's files will fit on the disk, asked before any work is done."""

import shutil
from pathlib import Path

import torch
from omegaconf import DictConfig

from handpose.pipeline import parts

_BYTES = 4  # of a number
_SETS = 3  # of them in a checkpoint: the weights, and two moments of each in the optimizer
# What lies there at once: two checkpoints a stage and one that is being written.
_CHECKPOINTS, _CHECKPOINTS_OF_A_STAGE = 5, 3
_WEIGHTS_FILES = 2


def check_space(cfg: DictConfig, run_dir: Path) -> None:
    """Asks for the room that checkpoints and weights will take, less what is there already.

    Raises:
        ValueError: there is less on the disk; says the path, and both numbers of bytes.
    """
    checkpoints = _CHECKPOINTS if cfg.trainer.keep_checkpoints else _CHECKPOINTS_OF_A_STAGE
    total = (checkpoints * _SETS + _WEIGHTS_FILES) * _BYTES * count_parameters(cfg)
    there = sum(path.stat().st_size for path in run_dir.rglob("*.ckpt"))
    needed, free = max(0, total - there), shutil.disk_usage(run_dir).free
    if needed > free:
        raise ValueError(
            f"{run_dir}: the disk has {free:,} bytes free, and the checkpoints and weights of this "
            f"run need {needed:,}. Make room, choose another paths.runs, or let the checkpoints of "
            "finished stages go with trainer.keep_checkpoints=false"
        )


def count_parameters(cfg: DictConfig) -> int:
    """Of backbone and head, which are not made for it: no memory, no time, no weights read."""
    plain = cfg.copy()
    plain.backbone.weights = None
    with torch.device("meta"):
        backbone = parts.build_backbone(plain)
        model = parts.build_model(plain, backbone) if parts.chosen(cfg.head) else backbone
    return sum(parameter.numel() for parameter in model.parameters())
