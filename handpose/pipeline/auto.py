"""Settle what is `auto` for the device of a run: precision, memory layout, who makes the views."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, flag_override

from handpose.config.renamed import BEFORE
from handpose.config.stored import SETTLED as _KEYS
from handpose.distributed import collectives
from handpose.pipeline.run_directory import CONFIG, read_config

AUTO = "auto"


def settled(cfg: DictConfig, run_dir: Path | None = None) -> DictConfig:
    """Return the configuration with values in place of `auto`; rank 0 decides.

    A run keeps the values that it began with, as its directory stores them.

    Args:
        cfg: configuration of the run.
        run_dir: its directory, which may not exist yet; None for a run without one.
    """
    if AUTO not in (cfg.trainer[key] for key in _KEYS):
        return cfg
    values = collectives.decided(lambda: _values(cfg, _stored(run_dir)))
    cfg = cfg.copy()
    with flag_override(cfg, ["struct", "readonly"], False):
        for key, value in values.items():
            OmegaConf.update(cfg, f"trainer.{key}", value)
    return cfg


def device_type(cfg: DictConfig) -> str:
    """Return "cuda" if the run trains on GPUs, else "cpu"."""
    is_gpu = cfg.trainer.accelerator != "cpu" and torch.cuda.is_available()
    return "cuda" if is_gpu else "cpu"


def _values(cfg: DictConfig, stored: dict[str, Any]) -> dict[str, Any]:
    """Return the value of each key: as configured, as stored, or the best for the device."""
    precision, layout, augment_on = (
        stored.get(key, AUTO) if cfg.trainer[key] == AUTO else cfg.trainer[key] for key in _KEYS
    )
    if precision == AUTO:
        precision = _best_precision(cfg)
    if layout == AUTO:
        layout = device_type(cfg) == "cuda" and precision != "32-true"
    if augment_on == AUTO:
        augment_on = _views_by(cfg)
    return dict(zip(_KEYS, (precision, layout, augment_on), strict=True))


def _views_by(cfg: DictConfig) -> str:
    """Return who makes the views of training batches."""
    return "device" if device_type(cfg) == "cuda" else "workers"


def _best_precision(cfg: DictConfig) -> str:
    if device_type(cfg) == "cpu":
        return "32-true"
    devices = cfg.trainer.devices
    for place in range(devices) if isinstance(devices, int) else devices:
        with torch.cuda.device(place) if torch.cuda.device_count() > 1 else nullcontext():
            if not torch.cuda.is_bf16_supported(including_emulation=False):
                return "16-mixed"
    return "bf16-mixed"


def _stored(run_dir: Path | None) -> dict[str, Any]:
    """Return the trainer's part of the stored configuration; empty for a new run."""
    if run_dir is None or not (run_dir / CONFIG).is_file():
        return {}
    return BEFORE["trainer"] | dict(read_config(run_dir).get("trainer") or {})
