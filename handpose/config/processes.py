"""Several processes: whether they are there, and whether the batches can be divided among them."""

import os
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from handpose.config.folders import stages
from handpose.config.schema import num_processes
from handpose.config.values import found_value
from handpose.distributed.processes import launched

_SEPARATELY = (
    "torchrun --nnodes {nodes} --nproc-per-node {each} train.py ..., or srun, or the Slurm launcher"
)


def processes_problems(cfg: DictConfig, content: dict[str, Any]) -> list[str]:
    """What of the configuration does not hold for several processes."""
    count = num_processes(cfg.trainer)
    if count == 1:
        return []
    problems = [_batch_problem(cfg, stage, count) for stage in stages(content)]
    if cfg.trainer.sync_batchnorm and cfg.trainer.accelerator == "cpu":
        problems.append(
            "trainer.sync_batchnorm=true: torch does it on GPUs alone; leave it out with "
            "trainer.accelerator=cpu"
        )
    return [problem for problem in problems if problem]


def _batch_problem(cfg: DictConfig, stage: str, count: int) -> str | None:
    size, cap = found_value(cfg, f"{stage}.batch_size"), found_value(cfg, "trainer.caps.batch_size")
    batch = min(size, cap) if isinstance(cap, int) else size
    if batch % count == 0 and batch >= 2 * count:
        return None
    named = f"{stage}.batch_size={size}" + (f" (capped at {cap})" if batch != size else "")
    return (
        f"{named}: is divided among {count} processes (trainer.devices x trainer.num_nodes), with "
        f"two or more for each; give a multiple of {count}, {2 * count} or more"
    )


def launch_problems(cfg: DictConfig) -> list[str]:
    """Whether this process is one of as many as the configuration asks for, or can start them."""
    count, nodes = num_processes(cfg.trainer), cfg.trainer.num_nodes
    asked = f"trainer.devices={cfg.trainer.devices} trainer.num_nodes={nodes}"
    starter = launched()
    if starter is not None and starter.num_processes != count:
        return [
            f"{asked}: {count} in all, and {starter.by} started {starter.num_processes} processes; "
            "make them equal"
        ]
    if starter is not None and starter.by == "srun" and "SLURM_NTASKS_PER_NODE" not in os.environ:
        each = count // nodes
        return [f"{asked}: srun was not told how many on each node; add --ntasks-per-node={each}"]
    if starter is None and nodes > 1:
        separately = _SEPARATELY.format(nodes=nodes, each=count // nodes)
        return [f"{asked}: processes on other machines are not started from here; use {separately}"]
    return []


def shared_folder_problems(overrides: list[Override], *, multirun: bool) -> list[str]:
    """What processes that were started together cannot do without agreeing on a directory."""
    starter = launched()
    if starter is None or starter.num_processes == 1:
        return []
    if multirun:
        return [
            f"--multirun: not under {starter.by}, whose processes would go through the cells at a "
            "pace of their own; leave it out, and each cell starts its own trainer.devices"
        ]
    if any(override.key_or_group == "hydra.run.dir" for override in overrides):
        return []
    return [
        f"hydra.run.dir: the {starter.num_processes} processes that {starter.by} started need the "
        "same one; write hydra.run.dir=DIR"
    ]
