"""A run that needs a shared encoder, and counts to a number instead of training it."""

import time
from pathlib import Path
from typing import Any

import torch

from handpose.distributed.interrupt import Interrupt
from handpose.pipeline.stages.shared_encoder import SharedEncoder
from handpose.training import checkpoint
from handpose.weights import torch_file

STEP = 0.05  # seconds


def make(shared: SharedEncoder, run_dir: Path, seconds: float) -> None:
    """Count steps up to `seconds`, from where an earlier maker was."""
    steps = shared.checkpoints / "last.ckpt"
    steps.parent.mkdir(parents=True, exist_ok=True)
    newest = checkpoint.newest_valid(steps.parent)  # killed between two renames, there is no last
    first = torch_file.load(newest)["step"] if newest else 0
    (run_dir / "began_at").write_text(str(first))
    for step in range(first, round(seconds / STEP)):
        time.sleep(STEP)
        torch_file.save({"step": step + 1}, steps)
    content: dict[str, Any] = {"maker": run_dir.name, "weights": torch.ones(3)}
    shared.publish(content)
    (run_dir / "made").touch()


def need(folder: Path, run_dir: Path, *, seconds: float) -> None:
    """One run.

    Args:
        folder: of the encoder.
        run_dir: gets `made` when the run has published, and `took`, which holds the maker's name,
            once it has the encoder.
        seconds: that making takes.
    """
    shared = SharedEncoder(folder, spec={})
    with shared.claimed(run_dir, Interrupt()) as is_maker:
        if is_maker:
            make(shared, run_dir, seconds)
    (run_dir / "took").write_text(torch_file.load(shared.path)["maker"])
