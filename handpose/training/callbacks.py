"""Callbacks of a stage: seeding, checkpoints, non-finite gradients."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from handpose.distributed.interrupt import Interrupt
from handpose.training.checkpoint import LAST
from handpose.training.divergence import ABSURD_WEIGHT, diverged, largest_weight

_log = logging.getLogger(__name__)

# Steps in a row without a finite gradient.
PATIENCE = 5
# Includes the 16 halvings of a loss scale of 2^16.
PATIENCE_SCALED = PATIENCE + 16
_SHOWN = 8  # samples of a bad batch in a message


class StepSeed(pl.Callback):
    """Seed torch before each step from seed, rank, epoch and batch, so that resuming is exact.

    Args:
        seed: of the run; ranks draw different numbers.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        place = (self.seed, trainer.global_rank, trainer.current_epoch, batch_idx)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1))


class StepCheckpoint(pl.Callback):
    """Save `last.ckpt` every n batches, and after a signal.

    Never saves after an epoch's last step, since resuming would skip its validation, or between
    accumulated batches, since checkpoints hold no gradients. A signal waits until saving is
    possible.

    Args:
        folder: folder for the stage's checkpoints.
        every_n_steps: batches between two saves; None to save at epoch ends only.
        interrupt: records signals.
    """

    def __init__(self, folder: Path, *, every_n_steps: int | None, interrupt: Interrupt) -> None:
        self.folder = folder
        self.every_n_steps = every_n_steps
        self.interrupt = interrupt

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        done = batch_idx + 1
        if done >= trainer.num_training_batches or done % trainer.accumulate_grad_batches:
            return
        is_told = _any_rank(trainer, self.interrupt.noted is not None)
        if is_told or (self.every_n_steps and done % self.every_n_steps == 0):
            trainer.save_checkpoint(self.folder / LAST, weights_only=False)
        if is_told:
            self.interrupt.check()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop after a signal; the previous epoch has saved its checkpoint."""
        if _any_rank(trainer, self.interrupt.noted is not None):
            self.interrupt.check()


class EvaluationStop(pl.Callback):
    """Stop an evaluation between two batches after a signal; a resumed run repeats it.

    Args:
        interrupt: records signals.
    """

    def __init__(self, interrupt: Interrupt) -> None:
        self.interrupt = interrupt

    def on_validation_batch_end(self, *args: Any) -> None:
        self.interrupt.check()

    def on_predict_batch_end(self, *args: Any) -> None:
        self.interrupt.check()


def _any_rank(trainer: pl.Trainer, value: bool) -> bool:
    return trainer.strategy.reduce_boolean_decision(value, all=False)


class NonFiniteGuard(pl.Callback):
    """Skip steps with a non-finite gradient; weights, momentum and buffers stay unchanged.

    `PATIENCE` skipped steps in a row stop the run. With loss scaling, a non-finite gradient of a
    finite loss is expected: the scale is too large. Such a step is not counted as skipped.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self.norm = torch.zeros(())  # of the last step's gradient
        self._in_a_row = 0
        self._index: list[Tensor] = []  # of each batch of the step
        self._buffers: list[Tensor] = []  # copies from before the step
        self._losses: list[Tensor] = []  # of each batch of the step

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._index, self._losses = [], []
            self._buffers = [buffer.clone() for buffer in pl_module.buffers()]
        part = next(iter(batch.values())) if isinstance(batch, dict) else batch
        self._index.append(part.index.flatten())

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        self._losses.append(loss.detach())

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        self.norm = torch.nn.utils.get_total_norm(gradients)
        if bool(self.norm.isfinite()):
            self._in_a_row = 0
            return
        is_scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        if not is_scaled:  # a gradient scaler skips the step itself
            optimizer.zero_grad(set_to_none=True)  # zeros would still decay the momentum
        for buffer, before in zip(pl_module.buffers(), self._buffers, strict=True):
            buffer.copy_(before)
        self._in_a_row += 1
        is_overflow = is_scaled and all(bool(loss.isfinite()) for loss in self._losses)
        if is_overflow and self._in_a_row < PATIENCE_SCALED:
            _log.info("step %d: gradient overflow, the loss scale is halved", trainer.global_step)
            return
        self.skipped += 1
        stage, samples = (
            getattr(pl_module, "stage", "training"),
            _keys(trainer, torch.cat(self._index).unique().tolist()),
        )
        _log.warning(
            "%s, step %d: the gradient is not finite; step skipped (samples: %s)",
            *(stage, trainer.global_step, samples),
        )
        if self._in_a_row >= (PATIENCE_SCALED if is_scaled else PATIENCE):
            what = f"{self._in_a_row} steps in a row without a finite gradient"
            if (largest := largest_weight(pl_module)) > ABSURD_WEIGHT:
                raise diverged(stage, f"{what}, and weights of up to {largest:.0e}")
            raise ValueError(
                f"{stage}: {what}, the last at step {trainer.global_step} with {samples}. Fix "
                "their labels (scripts/doctor.py) and resume, or start a new run with a lower "
                "optimizer.lr or trainer.precision=32-true. The weights in the last checkpoint are "
                "finite"
            )

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped = state_dict["skipped"]


def _keys(trainer: pl.Trainer, indices: list[int]) -> str:
    """Return the keys of the first samples of a batch."""
    loader: Any = trainer.train_dataloader
    keys = [loader.dataset.source[index].key for index in indices[:_SHOWN]]
    return ", ".join(keys) + (f" and {len(indices) - _SHOWN} more" if indices[_SHOWN:] else "")
