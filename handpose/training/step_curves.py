"""Callback that logs values of single steps to metrics.csv and W&B."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch.optim import Optimizer

from handpose.distributed import collectives
from handpose.training.cadence import Cadence
from handpose.training.guard import NonFiniteGuard
from handpose.training.meters import STEP, in_step_names
from handpose.training.step_meter import StepMeter


class StepCurves(pl.Callback):
    """Log the metrics of the steps of `cadence`: the first and every n-th.

    The loss is that of one step, averaged over processes. A mean over steps would change after a
    resume.

    Args:
        cadence: steps to log.
        guard: provides the gradient norm.
        meter: provides the meters of the steps since the last row.
    """

    def __init__(self, cadence: Cadence, *, guard: NonFiniteGuard, meter: StepMeter) -> None:
        self.cadence = cadence
        self.guard = guard
        self._steps = meter.window()
        self._loss = torch.zeros(())  # sum over the batches of the step
        self._batches = 0  # of the step
        self._rate: float | None = None  # learning rate, set after an optimizer step

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
        self._loss = self._loss + outputs["loss"].detach() * trainer.accumulate_grad_batches
        self._batches += 1
        if self._rate is None:
            return
        rate, loss = self._rate, self._loss / self._batches
        self._rate, self._loss, self._batches = None, torch.zeros(()), 0
        if self.cadence.is_due(trainer):
            values = {
                f"{STEP}loss": float(collectives.total(loss) / trainer.world_size),
                f"{STEP}learning_rate": rate,
                f"{STEP}gradient_norm": float(self.guard.norm),
                **in_step_names(self._steps.values(pl_module.device)),
            }
            self._steps.reset()
            _log_values(
                trainer, {f"{pl_module.stage}/{name}": value for name, value in values.items()}
            )


def _log_values(trainer: pl.Trainer, values: dict[str, float]) -> None:
    """Log values at the current step, counted from 0 as in Lightning."""
    for logger in trainer.loggers:
        logger.log_metrics(values | {"epoch": trainer.current_epoch}, step=trainer.global_step - 1)
