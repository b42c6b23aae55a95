"""Checks of this machine: memory, disk, open files and processes."""

import os
import resource
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from handpose.config.checks.combinations import dataset_keys, stages
from handpose.config.checks.folders import first_existing
from handpose.config.content import found_value
from handpose.config.schema import num_processes
from handpose.data.workers import default_num_workers
from handpose.distributed.processes import launched

# Lower bounds in bytes per pixel of a crop: with gradients (measured: 600 for ResNet-18, 300 at
# half its width), without gradients, and as uint8 only.
_TRAINED, _READ, _LOADED = 200, 64, 3
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_GPU = Path("/dev/nvidia0")
# Open files of a run, and of each worker with its tensors (measured).
_FILES, _FILES_OF_A_WORKER = 64, 24


def resource_problems(cfg: DictConfig) -> list[str]:
    """Return a problem for each resource of which this machine has too little.

    No-op for the driver of a Slurm sweep: each cell is checked on its own node.
    """
    if "slurm" in str(found_value(cfg, "hydra.launcher._target_")).lower():
        return []
    used = stages(cfg)
    problems = [_batch_problem(cfg, stage) for stage in [*used, "evaluate"]]
    problems += [_renders_problem(cfg, key) for key in dataset_keys(cfg)]
    problems += [_open_files_problem(cfg)]
    return [problem for problem in dict.fromkeys(problems) if problem]


def memory_bytes() -> int:
    """Return the memory of this machine, or of the container if that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _CGROUP.read_text().strip() if _CGROUP.is_file() else ""
    return min(total, int(limit)) if limit.isdecimal() else total


def _is_on_cpu(cfg: DictConfig) -> bool:
    """Return whether the run will train on the CPU, as far as is known without torch."""
    accelerator = cfg.trainer.accelerator
    return accelerator == "cpu" or (accelerator == "auto" and not _GPU.exists())


def _batch_problem(cfg: DictConfig, stage: str) -> str | None:
    """Return a batch whose lowest memory need exceeds the memory."""
    owner = "finetune" if stage == "evaluate" else stage
    side = found_value(cfg, f"{owner}.dataset.image_size")
    is_chunked = stage == "pretrain" and cfg.pretrain.gradient_cache_chunk
    key = "pretrain.gradient_cache_chunk" if is_chunked else f"{stage}.batch_size"
    limits = ("trainer.caps.batch_size", "trainer.caps.samples", f"{owner}.dataset.num_train")
    counts = [found_value(cfg, name) for name in (key, *limits)]
    count = min(count for count in counts if isinstance(count, int))
    is_frozen = stage == "evaluate" or (owner == "finetune" and cfg.finetune.freeze_backbone)
    each = (_READ if is_frozen else _TRAINED) if _is_on_cpu(cfg) else _LOADED
    views = 2 if stage == "pretrain" else 1
    needed = count * views * side**2 * each // cfg.trainer.num_nodes
    if needed <= (there := memory_bytes()):
        return None
    return (
        f"{key}={count} with {owner}.dataset.image_size={side}: a step needs at least "
        f"{_gigabytes(needed)} of memory, and this machine has {_gigabytes(there)}. Lower one of "
        "them (accumulate_grad_batches makes up for a smaller batch in training)"
    )


def _renders_problem(cfg: DictConfig, dataset: str) -> str | None:
    """Return renders that exceed the free disk space, without those rendered already."""
    node = found_value(cfg, dataset)
    if not isinstance(node, dict) or "render_size" not in node:
        return None
    cap = found_value(cfg, "trainer.caps.samples") or sys.maxsize
    is_evaluated = dataset == "evaluate.dataset"
    splits = (cfg.evaluate.split,) if is_evaluated else ("train", "val", "test")
    hands = sum(min(node[f"num_{split}"], cap) for split in splits)
    root = Path(node["root"])
    rendered = sum(file.stat().st_size for file in root.rglob("*.npy"))
    needed = hands * node["render_size"] ** 2 * 3 - rendered
    free = shutil.disk_usage(first_existing(root)).free
    if needed <= free:
        return None
    return (
        f"dataset.render_size={node['render_size']}: {hands:,} hands need {_gigabytes(needed)} in "
        f"{root}, and {_gigabytes(free)} are free. Lower dataset.num_train or render_size, or "
        "set another paths.cache"
    )


def _open_files_problem(cfg: DictConfig) -> str | None:
    """Return a limit of open files (ulimit -n) below what the workers need."""
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    workers = cfg.trainer.num_workers
    if workers is None:
        workers = default_num_workers(num_processes(cfg.trainer), on_gpu=not _is_on_cpu(cfg))
    needed = _FILES + _FILES_OF_A_WORKER * workers
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return None
    can_raise = hard == resource.RLIM_INFINITY or hard >= needed
    ways = [f"run `ulimit -n {needed}` first"] if can_raise else []
    if workers and limit >= _FILES:
        ways.append(f"set trainer.num_workers={(limit - _FILES) // _FILES_OF_A_WORKER}")
    return (
        f"ulimit -n: {limit} files may be open at once, and a run with {workers} workers needs "
        f"{needed}; {' or '.join(ways) or f'ask for a hard limit of {needed}, which is {hard}'}"
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"


def launch_problems(cfg: DictConfig) -> list[str]:
    """Return why the number of processes is not as configured and cannot be started."""
    count, nodes = num_processes(cfg.trainer), cfg.trainer.num_nodes
    asked, starter = f"trainer.devices={cfg.trainer.devices} trainer.num_nodes={nodes}", launched()
    if starter is None and nodes > 1:
        return [
            f"{asked}: processes on other machines are not started from here; use torchrun "
            f"--nnodes {nodes} --nproc-per-node {count // nodes} train.py ..., or srun, or the "
            "Slurm launcher"
        ]
    if starter is not None and starter.num_processes != count:
        return [
            f"{asked}: {count} in all, and {starter.by} started {starter.num_processes} processes; "
            "make them equal"
        ]
    if starter is not None and starter.by == "srun" and "SLURM_NTASKS_PER_NODE" not in os.environ:
        add = f"add --ntasks-per-node={count // nodes}"
        return [f"{asked}: srun has no number of processes per node; {add}"]
    return []


def shared_folder_problems(overrides: Sequence[Override], *, multirun: bool) -> list[str]:
    """Return what processes on several nodes cannot do without a shared folder.

    Args:
        overrides: the overrides of the command line.
        multirun: whether the command starts a sweep (`--multirun`).
    """
    starter = launched()
    if starter is None or starter.num_processes == 1:
        return []
    if multirun:
        return [
            f"--multirun: not under {starter.by}, whose processes would not stay in step; leave "
            "it out, and each cell starts its own trainer.devices"
        ]
    if any(override.key_or_group == "hydra.run.dir" for override in overrides):
        return []
    return [
        f"hydra.run.dir: the {starter.num_processes} processes that {starter.by} started need the "
        "same one; write hydra.run.dir=DIR"
    ]
