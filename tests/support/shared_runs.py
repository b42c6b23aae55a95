"""A finished run of a small network, as its directory lies on the disk."""

from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.heads.calibration import Calibration
from handpose.pipeline import parts
from handpose.pipeline.run_directory import write_json
from handpose.skeleton import NUM_JOINTS
from handpose.weights import torch_file

HOME = "/home/alice"
PLACES = (f"paths.data={HOME}/data", f"paths.cache={HOME}/cache", f"paths.runs={HOME}/runs")
CHOICES = ("backbone=resnet18_half", "head=regression", "dataset.image_size=64", *PLACES)
SOURCES = ("dataset=freihand", "dataset@pretrain.dataset=youtube")
BLOCK = {
    "sessions": [{"commit": "c" * 40, "dirty": False, "host": "alices-laptop", "command": HOME}],
    "started": "2026-01-02T03:04:05+00:00",
    "seconds": {"finetune": 12.5},
    "data": {},
}


def composed(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=[*CHOICES, *SOURCES, *overrides])


def write_run(folder: Path, cfg: DictConfig) -> Path:
    """A run directory with random weights and a calibration, without its data."""
    torch.manual_seed(0)
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    results: dict[str, Any] = {"pa_epe_mm": 11.25, "n_test": 32, "split": "test"}
    folder.mkdir()
    write_json(folder / "config.json", config | {"provenance": BLOCK})
    write_json(folder / "results.json", results | {"provenance": BLOCK})
    meta = {"backbone": cfg.backbone.name, "objective": "x.Y", "head": None, "seed": 5}
    meta |= {"results": {"finetune_seconds": 12.5}, "provenance": BLOCK}
    backbone = parts.build_backbone(cfg)
    state, decoder = backbone.network.state_dict(), {"layer.weight": torch.randn(2, 3)}
    content = {"state_dict": state, "decoder": decoder, "meta": meta}
    torch_file.save(torch_file.versioned(content), folder / "backbone.pt")
    if parts.chosen(cfg.head):
        model = parts.build_model(cfg, backbone)
        model.calibration = _calibration(2 * sum(backbone.channels) + NUM_JOINTS)
        model.confidence_note = ""
        torch_file.save(torch_file.versioned(model.content() | {"meta": meta}), folder / "model.pt")
    return folder


def _calibration(inputs: int) -> Calibration:
    outputs = NUM_JOINTS + 1
    pairs = {name: torch.tensor([0.5, 0.1]) for name in ("present", "joint", "hand")}
    return Calibration(
        mean=torch.randn(inputs),
        spread=torch.ones(inputs),
        weight=0.01 * torch.randn(inputs, outputs),
        bias=torch.randn(outputs),
        **pairs,
    )
