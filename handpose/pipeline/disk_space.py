"""Check the disk space for a run's files before any work is done."""

import shutil
from pathlib import Path

import torch
from omegaconf import DictConfig

from handpose.pipeline import parts

_BYTES = 4  # per parameter, float32
_SETS = 3  # in a checkpoint: the weights and the optimizer's two moments
# Files at the same time: two checkpoints per stage and one that is being written.
_CHECKPOINTS, _CHECKPOINTS_OF_A_STAGE = 5, 3
_WEIGHTS_FILES = 2


def check_space(cfg: DictConfig, run_dir: Path) -> None:
    """Check that the disk has room for checkpoints and weights, less the existing checkpoints.

    Args:
        cfg: configuration of the run.
        run_dir: existing run directory.

    Raises:
        ValueError: the disk has too little space; names the path and both sizes in bytes.
    """
    checkpoints = _CHECKPOINTS if cfg.trainer.keep_checkpoints else _CHECKPOINTS_OF_A_STAGE
    total = (checkpoints * _SETS + _WEIGHTS_FILES) * _BYTES * count_parameters(cfg)
    there = sum(path.stat().st_size for path in run_dir.rglob("*.ckpt"))
    needed, free = max(0, total - there), shutil.disk_usage(run_dir).free
    if needed > free:
        raise ValueError(
            f"{run_dir}: the disk has {free:,} bytes free, and the checkpoints and weights of this "
            f"run need {needed:,}. Free some space, choose another paths.runs, or delete the "
            "checkpoints of finished stages with trainer.keep_checkpoints=false"
        )


def count_parameters(cfg: DictConfig) -> int:
    """Count the parameters of backbone and head on the meta device, without reading weights."""
    plain = cfg.copy()
    plain.backbone.weights = None
    with torch.device("meta"):
        backbone = parts.build_backbone(plain)
        model = parts.build_model(plain, backbone) if parts.chosen(cfg.head) else backbone
    return sum(parameter.numel() for parameter in model.parameters())
