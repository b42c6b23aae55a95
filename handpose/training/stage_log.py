"""Callbacks that log a stage's progress lines, bars and step curves."""

import math
import resource
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from handpose.distributed import collectives
from handpose.training.cadence import Cadence, waits
from handpose.training.guard import NonFiniteGuard
from handpose.training.loggers import STEP
from handpose.training.run_log import TRAINED, RunLog, num_images

TIMED = (f"{STEP}images_per_second", f"{STEP}memory_mib")  # differ between equal runs


class Throughput:
    """Training images per second, without validation."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.reset()

    def reset(self) -> None:
        """Start a new mean."""
        self._images, self._seconds = 0, 0.0

    def begin(self) -> None:
        """Start the clock of the next batch."""
        self._last = time.monotonic()

    def add(self, images: int) -> None:
        """Add a batch of `images` images."""
        now = time.monotonic()
        self._images, self._seconds = self._images + images, self._seconds + now - self._last
        self._last = now

    @property
    def rate(self) -> float:
        """Mean since `reset`."""
        return self._images / max(self._seconds, 1e-9)


class StageLog(pl.Callback):
    """Log the batches and epochs of a trainer to `run_log`.

    The loss is read from the device when a line or a bar is due. On a GPU it is read when `cadence`
    is due, and lines and bars show the last one.

    Args:
        run_log: of the run.
        stage: "pretrain", "finetune" or "evaluate".
        metric: name of a metric to show after the loss; None for none.
        cadence: steps at which the loss is read on a GPU.
    """

    def __init__(
        self,
        run_log: RunLog,
        stage: str,
        *,
        metric: str | None = None,
        cadence: Cadence | None = None,
    ) -> None:
        self.run_log = run_log
        self.stage = stage
        self.metric = metric
        self.cadence = cadence or Cadence(50)
        self._mean = math.nan  # loss that was read last
        self._epoch_throughput = Throughput()
        self._throughput = Throughput()  # since the last line
        self._loss: Tensor | float = 0.0  # sum since the last line
        self._batches = 0  # since the last line
        self._rate = 0.0  # learning rate of the last step
        self._last: float | None = None  # time of the last batch

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin()
        done = trainer.global_step / max(1, int(trainer.estimated_stepping_batches))
        self.run_log.estimate.skip(self.stage, done)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin()
        self._epoch_throughput.reset()
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
        for throughput in (self._throughput, self._epoch_throughput):
            throughput.add(images)
        self._loss = self._loss + outputs["loss"].detach() * trainer.accumulate_grad_batches
        self._batches += 1
        self._done(TRAINED * images)
        if waits(pl_module.device) and self.cadence.is_due(trainer):
            self._read()
        if self.run_log.is_bar_due():
            total = int(trainer.num_training_batches) + _num_batches(trainer.num_val_batches)
            numbers = self._numbers(trainer, pl_module.device)
            self.run_log.bar(self._epoch(trainer), batch_idx + 1, total, numbers)
        if self.run_log.is_line_due():
            numbers = self._numbers(trainer, pl_module.device)
            text = f"{self._epoch(trainer)}: {self._step(trainer)}{numbers}"
            self.run_log.line(text, is_in_bars=True)
            self._throughput.reset()
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
        numbers = self._shown(trainer, loss, self._epoch_throughput.rate)
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
        """Format loss, learning rate and throughput since the last line."""
        loss = self._mean if waits(device) else self._mean_loss()
        return self._shown(trainer, loss, self._throughput.rate)

    def _read(self) -> None:
        """Read the mean loss since the last read."""
        self._mean = self._mean_loss()
        self._loss, self._batches = 0.0, 0

    def _mean_loss(self) -> float:
        return float(self._loss) / self._batches if self._batches else math.nan

    def _shown(self, trainer: pl.Trainer, loss: float, images_per_second: float) -> str:
        value = trainer.callback_metrics.get(self.metric or "")
        name = str(self.metric).rpartition("/")[-1]
        metric = "" if value is None else f", {name} {float(value):.4g}"
        return f", loss {loss:.4g}{metric}, lr {self._rate:.3g}, {images_per_second:.0f} images/s"

    def _reset(self) -> None:
        self._loss, self._batches = 0.0, 0
        self._throughput.reset()

    def _begin(self) -> None:
        for throughput in (self._throughput, self._epoch_throughput):
            throughput.begin()


def _num_batches(counts: Any) -> int:
    """Sum the batches over loaders."""
    return int(sum(counts)) if isinstance(counts, list) else int(counts)


class StepCurves(pl.Callback):
    """Log the metrics of the steps of `cadence`: the first and every n-th.

    The loss is that of one step, averaged over processes. A mean over steps would change after a
    resume.

    Args:
        cadence: steps to log.
        guard: provides the gradient norm.
    """

    def __init__(self, cadence: Cadence, *, guard: NonFiniteGuard) -> None:
        self.cadence = cadence
        self.guard = guard
        self._throughput = Throughput()
        self._loss = torch.zeros(())  # sum over the batches of the step
        self._batches = 0  # of the step
        self._rate: float | None = None  # learning rate, set after an optimizer step

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
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
        rate, loss = self._rate, self._loss / self._batches
        self._rate, self._loss, self._batches = None, torch.zeros(()), 0
        if self.cadence.is_due(trainer):
            values = {
                f"{STEP}loss": float(collectives.total(loss) / trainer.world_size),
                f"{STEP}learning_rate": rate,
                f"{STEP}gradient_norm": float(self.guard.norm),
                f"{STEP}images_per_second": self._throughput.rate,
                f"{STEP}memory_mib": _memory(pl_module.device),
            }
            self._throughput.reset()
            _log_values(
                trainer, {f"{pl_module.stage}/{name}": value for name, value in values.items()}
            )


def _log_values(trainer: pl.Trainer, values: dict[str, float]) -> None:
    """Log values at the current step, counted from 0 as in Lightning."""
    for logger in trainer.loggers:
        logger.log_metrics(values | {"epoch": trainer.current_epoch}, step=trainer.global_step - 1)


def _memory(device: torch.device) -> float:
    """Return the peak memory so far in MiB: torch's on a GPU, else that of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    units = 2**20 if sys.platform == "darwin" else 2**10  # in a MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units
