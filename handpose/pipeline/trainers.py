"""Build Lightning trainers and join the process group of a run."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.profilers import Profiler

from handpose.config.schema import num_processes
from handpose.data.workers import default_num_workers
from handpose.distributed import collectives
from handpose.distributed.processes import launched
from handpose.pipeline.auto import device_type, settled
from handpose.pipeline.parts import build_caps, capped
from handpose.pipeline.trainer_flags import passed_on
from handpose.training.checkpoint import VerifiedCheckpointIO, stage_checkpoints
from handpose.training.precision import UnscaledPrecision

_log = logging.getLogger(__name__)


def build_trainer(
    cfg: DictConfig,
    stage: DictConfig,
    *,
    folder: Path | None,
    monitor: str | None,
    loggers: list[Logger],
    callbacks: Sequence[pl.Callback] = (),
    precision: Any = None,
    profiler: Profiler | None = None,
) -> pl.Trainer:
    """Build Lightning's trainer of one stage, with all batches of its loaders.

    Args:
        cfg: configuration of the run.
        stage: `cfg.pretrain` or `cfg.finetune`.
        folder: folder for checkpoints; None for no checkpoints.
        monitor: metric that chooses `best.ckpt`; None for no `best.ckpt`.
        loggers: metric loggers.
        callbacks: added before the checkpoint callbacks.
        precision: Lightning's precision; None for `cfg.trainer.precision`.
        profiler: of a training; None for none.
    """
    checkpoints = [] if folder is None else stage_checkpoints(folder, monitor=monitor)
    mixed = _mixed_precision(cfg, precision or settled(cfg).trainer.precision)
    trainer = pl.Trainer(
        accelerator=_accelerator(cfg),
        devices=cfg.trainer.devices,
        num_nodes=cfg.trainer.num_nodes,
        strategy=_strategy(cfg),
        sync_batchnorm=cfg.trainer.sync_batchnorm and num_processes(cfg.trainer) > 1,
        precision="32-true" if mixed is None else None,
        deterministic=cfg.trainer.deterministic,
        max_epochs=capped(stage.max_epochs, build_caps(cfg).max_epochs),
        accumulate_grad_batches=stage.accumulate_grad_batches,
        logger=loggers,
        callbacks=[*callbacks, *checkpoints],
        enable_checkpointing=folder is not None,
        enable_progress_bar=False,
        plugins=[VerifiedCheckpointIO(), build_environment(), *([mixed] if mixed else [])],
        use_distributed_sampler=False,
        log_every_n_steps=0,  # steps are logged by our own callbacks
        profiler=profiler,
        **passed_on(cfg, trains=folder is not None),
    )
    _leave_signals_to_the_run(trainer)
    return trainer


def _leave_signals_to_the_run(trainer: pl.Trainer) -> None:
    """Keep Lightning from handling signals: it would stop an evaluation early with exit code 0.

    Nor does it ask all ranks about signals before each batch, which waits for the GPU.
    """
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]


def build_evaluator(
    cfg: DictConfig, stage: DictConfig, callbacks: Sequence[pl.Callback] = ()
) -> pl.Trainer:
    """Build Lightning's trainer for evaluation, without loggers or checkpoints.

    Uses float32: activations of an untrained deep network overflow 16 bits.

    Args:
        cfg: configuration of the run.
        stage: `cfg.pretrain` or `cfg.finetune`.
        callbacks: such as progress lines.
    """
    return build_trainer(
        cfg,
        stage,
        folder=None,
        monitor=None,
        loggers=[],
        callbacks=callbacks,
        precision="32-true",
    )


def _mixed_precision(cfg: DictConfig, precision: str) -> UnscaledPrecision | None:
    """Build Lightning's plugin of a mixed precision; None for float32."""
    if precision == "32-true":
        return None
    device = device_type(cfg)
    if precision == "16-mixed" and device == "cpu":
        _log.warning("trainer.precision=16-mixed: a CPU has none; using bf16-mixed")
        precision = "bf16-mixed"
    return UnscaledPrecision(precision, device)  # type: ignore[arg-type]


def _accelerator(cfg: DictConfig) -> str:
    """Return Lightning's name of the accelerator; the CPU in place of Apple's GPU (MPS)."""
    if cfg.trainer.accelerator == "auto" and torch.backends.mps.is_available():
        _log.warning("training on the CPU: Apple's GPU (MPS) has no float64, which objectives need")
        return "cpu"
    return str(cfg.trainer.accelerator)


def _strategy(cfg: DictConfig) -> str:
    """Return Lightning's name of the strategy; "auto" for one process."""
    return "auto" if num_processes(cfg.trainer) == 1 else cfg.trainer.strategy or "ddp"


def num_workers(cfg: DictConfig) -> int:
    """Return the configured data workers, by default of the device and the cores."""
    configured, here = cfg.trainer.num_workers, num_processes(cfg.trainer) // cfg.trainer.num_nodes
    on_gpu = device_type(cfg) == "cuda"
    return default_num_workers(here, on_gpu=on_gpu) if configured is None else int(configured)


def build_environment() -> ClusterEnvironment:
    """Return the source of rank and world size; a single process ignores the cluster's."""
    starter = launched()
    if starter is None:
        return LightningEnvironment()
    if starter.by == "srun":
        return SLURMEnvironment(auto_requeue=False)
    return TorchElasticEnvironment()


def check_devices(cfg: DictConfig) -> None:
    """Raise ValueError if the configured GPUs are not available."""
    wanted, here = cfg.trainer.devices, torch.cuda.device_count()
    least = wanted if isinstance(wanted, int) else max(wanted) + 1
    if cfg.trainer.accelerator != "gpu" or here >= least:
        return
    problem = (
        f"trainer.devices={wanted}: torch sees {here} GPUs here; choose fewer devices"
        if here
        else "this machine has no GPU that torch can use; choose trainer=auto or trainer=cpu"
    )
    in_slurm = ". Under srun each task must see all GPUs of its node"
    raise ValueError(problem + (in_slurm if "SLURM_JOB_ID" in os.environ else ""))


@contextmanager
def joined_processes(cfg: DictConfig) -> Iterator[None]:
    """Join the process group of the run; no-op for a single process."""
    if num_processes(cfg.trainer) == 1:
        yield
        return
    environment = build_environment()
    os.environ["MASTER_ADDR"] = environment.main_address
    os.environ["MASTER_PORT"] = str(environment.main_port)
    on_gpu = device_type(cfg) == "cuda"
    if on_gpu:
        devices, place = cfg.trainer.devices, environment.local_rank()
        torch.cuda.set_device(place if isinstance(devices, int) else devices[place])
    with collectives.joined(
        rank=environment.global_rank(),
        world_size=environment.world_size(),
        backend="nccl" if on_gpu else "gloo",
    ):
        yield
