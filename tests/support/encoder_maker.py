"""A run that needs a shared encoder, and counts to a number where others would train it."""

import socket
import time
from pathlib import Path
from typing import Any

import torch

from handpose.distributed.interrupt import Interrupt
from handpose.training import checkpoint
from handpose.training.shared import LeaseLostError, SharedEncoder
from handpose.training.take_over import go_on_from

STEP = 0.05  # seconds


def make(shared: SharedEncoder, run_dir: Path, before: list[Path], seconds: float) -> None:
    """Counts steps up to `seconds`, from where an earlier maker was."""
    go_on_from([folder / "checkpoints" for folder in before], run_dir / "checkpoints")
    steps = run_dir / "checkpoints" / "last.ckpt"
    first = checkpoint.load(steps)["step"] if steps.exists() else 0
    (run_dir / "began_at").write_text(str(first))
    for step in range(first, round(seconds / STEP)):
        time.sleep(STEP)
        checkpoint.save({"step": step + 1}, steps)
        if shared.is_lost:
            raise LeaseLostError
    content: dict[str, Any] = {"maker": run_dir.name, "weights": torch.ones(3)}
    shared.publish(content, run_dir / "metrics.csv")
    (run_dir / "made").touch()


def need(folder: Path, run_dir: Path, *, seconds: float, lease: float, machine: str) -> None:
    """One run.

    Args:
        folder: of the encoder.
        run_dir: gets `checkpoints/last.ckpt` while the run works, `made` where it published, and
            `took`, which holds the maker's name, once it has the encoder.
        seconds: that making takes.
        lease: its seconds.
        machine: a name to pass by; a process of another machine cannot be looked up.
    """
    socket.gethostname = lambda: machine
    shared = SharedEncoder(folder, spec={}, lease_seconds=lease)
    while (before := shared.take_turn(run_dir, Interrupt())) is not None:
        try:
            make(shared, run_dir, before, seconds)
        except LeaseLostError:
            (run_dir / "gave_way").touch()
        finally:
            shared.release()
    (run_dir / "took").write_text(checkpoint.load(shared.path)["maker"])
