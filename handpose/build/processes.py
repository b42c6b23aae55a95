"""The processes of a run: how this one meets the others, as Lightning's trainers see it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from omegaconf import DictConfig

from handpose import ranks
from handpose.config import num_processes
from handpose.processes import launched


def build_environment() -> ClusterEnvironment:
    """Where rank and world size come from; a process alone has none, whatever the cluster says."""
    starter = launched()
    if starter is None:
        return LightningEnvironment()
    if starter.by == "srun":
        return SLURMEnvironment(auto_requeue=False)
    return TorchElasticEnvironment()


def check_devices(cfg: DictConfig) -> None:
    """Raises ValueError where a run is to have GPUs that are not here, before its data are read."""
    wanted, here = cfg.trainer.devices, torch.cuda.device_count()
    least = wanted if isinstance(wanted, int) else max(wanted) + 1
    if cfg.trainer.accelerator == "gpu" and here < least:
        raise ValueError(
            f"trainer.accelerator=gpu with trainer.devices={wanted}: torch sees {here} GPUs here. "
            "Choose trainer=cpu or fewer devices; under srun each task must see all of its node's"
        )


@contextmanager
def joined_processes(cfg: DictConfig) -> Iterator[None]:
    """This process among those of its run, which all have to come here; at once if it is alone."""
    if num_processes(cfg.trainer) == 1:
        yield
        return
    environment = build_environment()
    os.environ["MASTER_ADDR"] = environment.main_address
    os.environ["MASTER_PORT"] = str(environment.main_port)
    on_gpu = cfg.trainer.accelerator != "cpu" and torch.cuda.is_available()
    if on_gpu:
        devices, place = cfg.trainer.devices, environment.local_rank()
        torch.cuda.set_device(place if isinstance(devices, int) else devices[place])
    with ranks.joined(
        rank=environment.global_rank(),
        world_size=environment.world_size(),
        backend="nccl" if on_gpu else "gloo",
    ):
        yield
