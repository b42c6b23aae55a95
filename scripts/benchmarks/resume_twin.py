"""A run that is killed by SIGKILL and resumed should end in the bits of its twin that was not."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from benchmarks.stage import Task, overrides_of
from torch import Tensor

from handpose.loggers.csv_log import read_steps
from handpose.pipeline.stages.pretrain import BACKBONE
from handpose.training.meters import STEP
from handpose.weights import torch_file

_ROOT = Path(__file__).resolve().parents[2]
_BATCHES = 8  # of an epoch, of two
_KILLED_AT = 11  # steps
_LONGEST = 300.0  # seconds of a process


def check_resume(task: Task, *overrides: str) -> dict[str, Any]:
    """Trains a run, and its twin that is killed in the second epoch and resumed.

    Args:
        task: the task.
        *overrides: of both, such as the input.

    Returns:
        "steps", "killed_at", "tensors", and "different": the names of those that differ in a bit.
    """
    command = [
        *(sys.executable, str(_ROOT / "train.py"), *overrides_of(task), *overrides),
        *("trainer.deterministic=true", "pretrain.max_epochs=2", "report=false"),
        f"pretrain.samples_per_epoch={_BATCHES * task.pairs}",
        *("trainer.checkpoint_every_n_steps=1", "trainer.log_every_n_steps=1"),
    ]
    whole, twin = (task.folder / "runs" / name for name in ("whole", "twin"))
    _run(command, whole)
    killed_at = _kill(command, twin)
    _run(command, twin)
    states = [torch_file.load(run_dir / BACKBONE)["state_dict"] for run_dir in (whole, twin)]
    return {
        "steps": 2 * _BATCHES,
        "killed_at": killed_at,
        "tensors": len(states[0]),
        "different": different(*states),
    }


def different(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Returns the names of tensors that are not equal in every bit, or not in both.

    Args:
        one: tensors by name.
        other: those of the other run.
    """
    both = one.keys() & other.keys()
    return sorted(
        (one.keys() ^ other.keys()) | {n for n in both if _bits(one[n]) != _bits(other[n])}
    )


def _bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def _run(command: list[str], run_dir: Path) -> None:
    """Runs to the end; an error has the end of what the process wrote."""
    done = subprocess.run(
        [*command, f"hydra.run.dir={run_dir}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"train.py ended with exit code {done.returncode}: {done.stdout[-2000:]}"
        )


def _kill(command: list[str], run_dir: Path) -> int:
    """Starts the run and kills it at a step; returns the step."""
    process = subprocess.Popen(
        [*command, f"hydra.run.dir={run_dir}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + _LONGEST
    try:
        while (step := _steps(run_dir)) < _KILLED_AT:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the run was not at step {_KILLED_AT}, but at {step}")
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    if (run_dir / BACKBONE).exists():
        raise RuntimeError("the run ended before it was killed: nothing was resumed")
    return step


def _steps(run_dir: Path) -> int:
    """Returns how many steps metrics.csv has."""
    losses = read_steps(run_dir / "metrics.csv").get(f"pretrain/{STEP}loss", [])
    return 1 + losses[-1][0] if losses else 0
