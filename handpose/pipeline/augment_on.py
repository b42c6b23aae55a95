"""Resolve `trainer.augment_on=auto` once for each run: its views depend on it by rounding."""

from pathlib import Path

import torch
from omegaconf import DictConfig, flag_override

from handpose.config.renamed import BEFORE
from handpose.pipeline.run_directory import CONFIG, read_config


def with_augment_on(cfg: DictConfig, run_dir: Path) -> DictConfig:
    """Return the configuration with `workers` or `device` in place of `auto`.

    A run that has started keeps its choice, also on another machine.

    Args:
        cfg: configuration of the run; not changed.
        run_dir: its directory, which has a configuration if it has started.
    """
    if cfg.trainer.augment_on != "auto":
        return cfg
    cfg = cfg.copy()
    with flag_override(cfg, ["struct", "readonly"], False):
        cfg.trainer.augment_on = _as_started(run_dir) or _for_this_machine(cfg)
    return cfg


def _as_started(run_dir: Path) -> str | None:
    if not (run_dir / CONFIG).exists():
        return None
    trainer = BEFORE["trainer"] | read_config(run_dir)["trainer"]
    return str(trainer["augment_on"])


def _for_this_machine(cfg: DictConfig) -> str:
    is_on_gpu = cfg.trainer.accelerator != "cpu" and torch.cuda.is_available()
    return "device" if is_on_gpu else "workers"
