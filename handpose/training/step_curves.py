"""Curves of the steps: loss, learning rate, gradient norm, speed and memory, to every logger."""

import resource
import sys
from typing import Any

import pytorch_lightning as pl
import torch
from torch.optim import Optimizer

from handpose.distributed import collectives
from handpose.training.callbacks import NonFiniteGuard
from handpose.training.loggers import STEP
from handpose.training.run_log import num_images
from handpose.training.stage_log import Throughput

TIMED = (f"{STEP}images_per_second", f"{STEP}memory_mib")  # not the same in each run
_LEAST = 20  # values of a stage, as far as it has steps


class StepCurves(pl.Callback):
    """Logs the values of the first step and of every n-th.

    The loss is that of the step alone, the mean over all processes; a mean over steps would be
    another one after a resume.

    Args:
        every_n_steps: of the optimizer; fewer where a stage would have less than 20 values.
        guard: knows the gradient norm.
    """

    def __init__(self, every_n_steps: int, *, guard: NonFiniteGuard) -> None:
        self.every_n_steps = every_n_steps
        self.guard = guard
        self._throughput = Throughput()
        self._loss = torch.zeros(())  # sum over the batches of the step
        self._batches = 0  # of the step
        self._rate: float | None = None  # of the step, if it was one just now

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        steps = int(trainer.estimated_stepping_batches)
        self._every = max(1, min(self.every_n_steps, steps // _LEAST))
        self._throughput.begin()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._throughput.begin()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        self._rate = max(group["lr"] for group in optimizer.param_groups)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self._throughput.add(num_images(batch) * trainer.world_size)
        self._loss = self._loss + outputs["loss"].detach() * trainer.accumulate_grad_batches
        self._batches += 1
        if self._rate is None:
            return
        step, rate, loss = trainer.global_step, self._rate, self._loss / self._batches
        self._rate, self._loss, self._batches = None, torch.zeros(()), 0
        if step == 1 or step % self._every == 0:
            values = {
                f"{STEP}loss": float(collectives.total(loss) / trainer.world_size),
                f"{STEP}learning_rate": rate,
                f"{STEP}gradient_norm": float(self.guard.norm),
                f"{STEP}images_per_second": self._throughput.rate,
                f"{STEP}memory_mib": _memory(pl_module.device),
            }
            self._throughput.reset()
            _log(trainer, {f"{pl_module.stage}/{name}": value for name, value in values.items()})


def _log(trainer: pl.Trainer, values: dict[str, float]) -> None:
    """Numbers the step as Lightning does, from 0."""
    for logger in trainer.loggers:
        logger.log_metrics(values | {"epoch": trainer.current_epoch}, step=trainer.global_step - 1)


def _memory(device: torch.device) -> float:
    """The most that was in use so far, in MiB: of the GPU by torch, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    units = 2**20 if sys.platform == "darwin" else 2**10  # in a MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units
