"""What watches over a stage while it is trained: its seeds, its checkpoints, its gradients."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.optim import Optimizer

from handpose.training.checkpoint import LAST
from handpose.training.interrupt import Interrupt

_log = logging.getLogger(__name__)

# Steps in a row without a finite gradient.
PATIENCE = 5
# A loss scale of 2^16 is halved so often before it is 1.
PATIENCE_SCALED = PATIENCE + 16
_SHOWN = 8  # samples of a bad batch


class StepSeed(pl.Callback):
    """Seeds torch before each step, by where in training it is: a resumed run draws the same.

    Args:
        seed: of the run; each rank draws numbers of its own.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        place = (self.seed, trainer.global_rank, trainer.current_epoch, batch_idx)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1))


class StepCheckpoint(pl.Callback):
    """Saves between two steps: every so many, and when the run is told to stop.

    Never after an epoch's last step, since what follows it, validation and its checkpoint, would be
    left out when the run is resumed; and never while gradients are accumulated, which no checkpoint
    holds. A run that is told to stop then goes on until it can be.

    Args:
        folder: of the stage's checkpoints.
        every_n_steps: batches; None for none but those of the epochs' ends.
        interrupt: tells when to stop.
    """

    def __init__(self, folder: Path, *, every_n_steps: int | None, interrupt: Interrupt) -> None:
        self.folder = folder
        self.every_n_steps = every_n_steps
        self.interrupt = interrupt

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.interrupt.listen()  # again: Lightning has handlers of its own by now

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
        """The checkpoint of the epoch before lies there already.

        Not at its end, where the first process's progress bar asks for means over all of them.
        """
        if _any_rank(trainer, self.interrupt.noted is not None):
            self.interrupt.check()


def _any_rank(trainer: pl.Trainer, value: bool) -> bool:
    return trainer.strategy.reduce_boolean_decision(value, all=False)


class NonFiniteGuard(pl.Callback):
    """A step whose gradient is not finite is left out, exactly: no weight, no momentum changes.

    `PATIENCE` of them in a row stop the run.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._in_a_row = 0
        self._index: list[int] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        part = next(iter(batch.values())) if isinstance(batch, dict) else batch
        self._index = part.index.flatten().unique().tolist()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        if not gradients or bool(torch.nn.utils.get_total_norm(gradients).isfinite()):
            self._in_a_row = 0
            return
        optimizer.zero_grad(set_to_none=True)  # a gradient of 0 would still move the momentum
        self.skipped += 1
        self._in_a_row += 1
        stage, samples = getattr(pl_module, "stage", "training"), _keys(trainer, self._index)
        _log.warning(
            "%s, step %d: the gradient is not finite; left out (of %s)",
            *(stage, trainer.global_step, samples),
        )
        is_scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        if self._in_a_row >= (PATIENCE_SCALED if is_scaled else PATIENCE):
            raise ValueError(
                f"{stage}: {self._in_a_row} steps in a row without a finite gradient, the last at "
                f"step {trainer.global_step} of {samples}. Look at their labels "
                f"(scripts/doctor.py), lower {stage}.optimizer.lr, or choose "
                "trainer.precision=32-true; the weights in the last checkpoint are finite."
            )

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped = state_dict["skipped"]


def _keys(trainer: pl.Trainer, indices: list[int]) -> str:
    """The samples of a batch by their keys, a few of them."""
    loader: Any = trainer.train_dataloader
    keys = [loader.dataset.source[index].key for index in indices[:_SHOWN]]
    return ", ".join(keys) + (f" and {len(indices) - _SHOWN} more" if indices[_SHOWN:] else "")
