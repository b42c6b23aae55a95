"""The run's configuration: its skeleton, and the resolvers that conf/ uses."""

import hashlib
import re
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

PLUGINS = str(Path(__file__).parents[1] / "plugins")


@dataclass
class StageConfig:
    """What both stages have: data, views, optimizer and length."""

    dataset: Any = MISSING
    optimizer: Any = MISSING
    augment: Any = MISSING
    max_epochs: int = MISSING
    warmup_epochs: float = MISSING
    batch_size: int = MISSING
    samples_per_epoch: int | None = MISSING
    accumulate_grad_batches: int = MISSING


@dataclass
class MiningConfig:
    """How positives are found in other images."""

    joints: str = MISSING
    num_dims: int = MISSING
    neighbours: int = MISSING
    exclude: str = MISSING
    weighted: bool = MISSING


@dataclass
class ProbeConfig:
    """How labels watch over the first stage."""

    samples: int | None = MISSING
    every_n_epochs: int = MISSING


@dataclass
class PretrainConfig(StageConfig):
    """The first stage, on unlabelled pairs."""

    gradient_cache_chunk: int | None = MISSING
    positives: str = MISSING
    mining: MiningConfig = field(default_factory=MiningConfig)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    share: bool | None = MISSING


@dataclass
class FinetuneConfig(StageConfig):
    """The second stage, on the labelled part."""

    label_fraction: float = MISSING
    freeze_backbone: bool = MISSING
    layer_decay: float = MISSING
    transfer_decoder: bool = MISSING


@dataclass
class EvaluateConfig:
    """Which split the results are of, and how it is read."""

    split: str = MISSING
    augment: Any = MISSING
    batch_size: int = MISSING


@dataclass
class RunConfig:
    """Everything a run is made of; parts (Any) are described by their files in conf/."""

    seed: int = MISSING
    reference_bone: str = MISSING
    init_from: str | None = MISSING
    sweep: str = MISSING
    report: bool = MISSING
    paths: Any = MISSING
    trainer: Any = MISSING
    logger: Any = MISSING
    dataset: Any = MISSING
    backbone: Any = MISSING
    optimizer: Any = MISSING
    augment: Any = MISSING
    objective: Any = MISSING
    head: Any = MISSING
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)


def cell_name(overrides: str) -> str:
    """A folder name for a cell of a sweep: its overrides, in letters that any path takes."""
    name = re.sub(r"[^A-Za-z0-9._=+-]+", "_", overrides.replace("=", "-")).strip("_") or "default"
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name if len(name) <= 100 else f"{name[:80]}-{digest}"


def num_processes(trainer: Any) -> int:
    """W, the processes of a run: one for each device on each of its nodes."""
    devices = trainer.devices
    return (devices if isinstance(devices, int) else len(devices)) * trainer.num_nodes


def register() -> None:
    """Makes the skeleton, the resolvers and our plugins known to Hydra; may be called again."""
    if PLUGINS not in sys.path:  # Hydra looks through the package hydra_plugins, wherever it lies
        sys.path.append(PLUGINS)
    ConfigStore.instance().store(name="run_schema", node=RunConfig)
    OmegaConf.register_new_resolver("cell_name", cell_name, replace=True)
    OmegaConf.register_new_resolver(
        "short_id", lambda: uuid.uuid4().hex[:6], replace=True, use_cache=True
    )
