"""Callback that logs a stage's progress lines and bars."""

import math
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from handpose.training.cadence import Cadence, waits
from handpose.training.meters import in_words
from handpose.training.run_log import TRAINED, RunLog, num_images
from handpose.training.step_meter import StepMeter


class StageLog(pl.Callback):
    """Log the batches and epochs of a trainer to `run_log`.

    The loss is read from the device when a line or a bar is due. On a GPU it is read when `cadence`
    is due, with the meters, and lines and bars show the last ones.

    Args:
        run_log: of the run.
        stage: "pretrain", "finetune" or "evaluate".
        metric: name of a metric to show after the loss; None for none.
        cadence: steps at which the loss is read on a GPU.
        meter: of the steps of a training; None for an evaluation.
    """

    def __init__(
        self,
        run_log: RunLog,
        stage: str,
        *,
        metric: str | None = None,
        cadence: Cadence | None = None,
        meter: StepMeter | None = None,
    ) -> None:
        self.run_log = run_log
        self.stage = stage
        self.metric = metric
        self.cadence = cadence or Cadence(50)
        meter = meter or StepMeter()
        self._steps = meter.window()  # since the last line, on a GPU since the last read
        self._epoch_steps = meter.window()
        self._mean = math.nan  # loss that was read last
        self._speed = ""  # meters that were read last
        self._loss: Tensor | float = 0.0  # sum since the last line
        self._batches = 0  # since the last line
        self._rate = 0.0  # learning rate of the last step
        self._last: float | None = None  # time of the last batch

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        done = trainer.global_step / max(1, int(trainer.estimated_stepping_batches))
        self.run_log.estimate.skip(self.stage, done)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_steps.reset()
        self._reset()

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
        images = num_images(batch) * trainer.world_size
        self._loss = self._loss + outputs["loss"].detach() * trainer.accumulate_grad_batches
        self._batches += 1
        self._done(TRAINED * images)
        if waits(pl_module.device) and self.cadence.is_due(trainer):
            self._read(pl_module.device)
        if self.run_log.is_bar_due():
            total = int(trainer.num_training_batches) + _num_batches(trainer.num_val_batches)
            numbers = self._numbers(trainer, pl_module.device)
            self.run_log.bar(self._epoch(trainer), batch_idx + 1, total, numbers)
        if self.run_log.is_line_due():
            numbers = self._numbers(trainer, pl_module.device)
            text = f"{self._epoch(trainer)}: {self._step(trainer)}{numbers}"
            self.run_log.line(text, is_in_bars=True)
            if not waits(pl_module.device):
                self._reset()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._done(num_images(batch))
        total = _num_batches(trainer.num_val_batches)
        if trainer.state.fn != "fit":
            self._evaluated(f"{self.stage}, held-out pairs", batch_idx + 1, total)
            return
        if self.run_log.is_bar_due():
            trained = int(trainer.num_training_batches)
            self.run_log.bar(self._epoch(trainer), trained + batch_idx + 1, trained + total)
        self._tell(f"{self._epoch(trainer)}, validation", batch_idx + 1, total)

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._done(num_images(batch))
        self._evaluated(self.stage, batch_idx + 1, _num_batches(trainer.num_predict_batches))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the means of the epoch."""
        metrics = trainer.callback_metrics
        loss = float(metrics.get(f"{self.stage}/train_loss", math.nan))
        numbers = self._shown(trainer, loss, in_words(self._epoch_steps.values(pl_module.device)))
        self.run_log.line(f"{self._epoch(trainer)} done: {self._step(trainer)}{numbers}")

    def _done(self, work: float) -> None:
        """Count a batch; the first is not timed, since it waits for the workers."""
        now = time.monotonic()
        seconds = None if self._last is None else now - self._last
        self.run_log.estimate.add(self.stage, work, seconds)
        self._last = now

    def _evaluated(self, name: str, done: int, total: int) -> None:
        if total > 1 and self.run_log.is_bar_due():
            self.run_log.bar(name, done, total)
        self._tell(name, done, total)

    def _tell(self, name: str, done: int, total: int) -> None:
        if self.run_log.is_line_due():
            self.run_log.line(f"{name}: batch {done} of {total}", is_in_bars=True)

    def _epoch(self, trainer: pl.Trainer) -> str:
        return f"{self.stage}, epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"

    def _step(self, trainer: pl.Trainer) -> str:
        return f"step {trainer.global_step} of {int(trainer.estimated_stepping_batches)}"

    def _numbers(self, trainer: pl.Trainer, device: torch.device) -> str:
        """Format loss, learning rate and speed since the last line."""
        if waits(device):
            return self._shown(trainer, self._mean, self._speed)
        return self._shown(trainer, self._mean_loss(), in_words(self._steps.values(device)))

    def _read(self, device: torch.device) -> None:
        """Read the mean loss and the meters since the last read."""
        self._mean, self._speed = self._mean_loss(), in_words(self._steps.values(device))
        self._reset()

    def _mean_loss(self) -> float:
        return float(self._loss) / self._batches if self._batches else math.nan

    def _shown(self, trainer: pl.Trainer, loss: float, speed: str) -> str:
        value = trainer.callback_metrics.get(self.metric or "")
        name = str(self.metric).rpartition("/")[-1]
        metric = "" if value is None else f", {name} {float(value):.4g}"
        speed = f", {speed}" if speed else ""
        return f", loss {loss:.4g}{metric}, lr {self._rate:.3g}{speed}"

    def _reset(self) -> None:
        self._loss, self._batches = 0.0, 0
        self._steps.reset()


def _num_batches(counts: Any) -> int:
    """Sum the batches over loaders."""
    return int(sum(counts)) if isinstance(counts, list) else int(counts)
