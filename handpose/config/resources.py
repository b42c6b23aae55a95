"""What a run needs of this machine and what is certainly too little: told before the start."""

import os
import resource
import shutil
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from handpose.config.folders import first_existing, stages
from handpose.config.schema import num_processes
from handpose.config.values import found_value
from handpose.data.workers import default_num_workers

# Bytes for a pixel of a crop, at least: with the activations that a gradient needs (measured:
# 600 for ResNet-18, 300 at half its width), without a gradient, and as uint8 alone.
_TRAINED, _READ, _LOADED = 200, 64, 3
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_GPU = Path("/dev/nvidia0")
# Open files of a run, and of a worker with the tensors that it hands over (measured).
_FILES, _FILES_OF_A_WORKER = 64, 24
_CHUNK = "pretrain.gradient_cache_chunk"


def resource_problems(cfg: DictConfig, content: dict[str, Any]) -> list[str]:
    """A problem for each resource of which this machine has certainly too little.

    No-op for the driver of a Slurm sweep: each cell is checked on its own node.
    """
    if "slurm" in str(found_value(cfg, "hydra.launcher._target_")).lower():
        return []
    used = stages(content)
    batches = [_batch_problem(cfg, stage) for stage in [*used, "evaluate"]]
    renders = [_renders_problem(cfg, f"{stage}.dataset") for stage in used]
    return [p for p in dict.fromkeys([*batches, *renders, _files_problem(cfg)]) if p]


def memory_bytes() -> int:
    """The memory of this machine, or of the container where that has less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _CGROUP.read_text().strip() if _CGROUP.is_file() else ""
    return min(total, int(limit)) if limit.isdecimal() else total


def _batch_problem(cfg: DictConfig, stage: str) -> str | None:
    """A batch that does not fit into memory, by a lower bound of what a step holds at once."""
    owner = "finetune" if stage == "evaluate" else stage
    side = found_value(cfg, f"{owner}.dataset.image_size")
    key, count = _samples_at_once(cfg, stage, owner)
    frozen = stage == "evaluate" or (owner == "finetune" and cfg.finetune.freeze_backbone)
    each = (_READ if frozen else _TRAINED) if _is_on_cpu(cfg) else _LOADED
    views = 2 if stage == "pretrain" else 1
    needed = count * views * side**2 * each // cfg.trainer.num_nodes
    if needed <= (there := memory_bytes()):
        return None
    return (
        f"{key}={count} with {owner}.dataset.image_size={side}: a step needs at least "
        f"{_gigabytes(needed)} of memory, and this machine has {_gigabytes(there)}. Lower one of "
        "them (accumulate_grad_batches makes up for a smaller batch in training)"
    )


def _samples_at_once(cfg: DictConfig, stage: str, owner: str) -> tuple[str, int]:
    """(key, the samples of a step): no more than the caps and the number of rendered hands."""
    key = _CHUNK if stage == "pretrain" and cfg.pretrain.gradient_cache_chunk else None
    key = key or f"{stage}.batch_size"
    limits = ("trainer.caps.batch_size", "trainer.caps.samples", f"{owner}.dataset.num_train")
    counts = [found_value(cfg, name) for name in (key, *limits)]
    return key, min(count for count in counts if isinstance(count, int))


def _is_on_cpu(cfg: DictConfig) -> bool:
    no_gpu = not _GPU.exists()
    return cfg.trainer.accelerator == "cpu" or (cfg.trainer.accelerator == "auto" and no_gpu)


def _renders_problem(cfg: DictConfig, dataset: str) -> str | None:
    """Renders for which the disk has no room, less those that are there."""
    node = found_value(cfg, dataset)
    if not isinstance(node, dict) or "render_size" not in node:
        return None
    cap = found_value(cfg, "trainer.caps.samples") or sys.maxsize
    hands = sum(min(node[f"num_{split}"], cap) for split in ("train", "val", "test"))
    root = Path(node["root"])
    rendered = sum(file.stat().st_size for file in root.rglob("*.npy"))
    needed = hands * node["render_size"] ** 2 * 3 - rendered
    free = shutil.disk_usage(first_existing(root)).free
    if needed <= free:
        return None
    return (
        f"dataset.render_size={node['render_size']}: {hands:,} hands need {_gigabytes(needed)} in "
        f"{root}, and {_gigabytes(free)} are free. Lower dataset.num_train or render_size, or "
        "choose another paths.cache"
    )


def _files_problem(cfg: DictConfig) -> str | None:
    """A limit of open files (ulimit -n) below what the workers need."""
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    workers = cfg.trainer.num_workers
    workers = default_num_workers(num_processes(cfg.trainer)) if workers is None else workers
    needed = _FILES + _FILES_OF_A_WORKER * workers
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return None
    raised = hard == resource.RLIM_INFINITY or hard >= needed
    ways = [f"run `ulimit -n {needed}` first"] if raised else []
    if workers and limit >= _FILES:
        ways.append(f"set trainer.num_workers={(limit - _FILES) // _FILES_OF_A_WORKER}")
    return (
        f"ulimit -n: {limit} files may be open at once, and a run with {workers} workers needs "
        f"{needed}; {' or '.join(ways) or f'ask for a hard limit of {needed}, which is {hard}'}"
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
