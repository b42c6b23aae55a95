"""Callbacks of a stage: seeding, checkpoints, stops after a signal."""

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from handpose.distributed.collectives import AnyRank, everyones
from handpose.distributed.interrupt import Interrupt
from handpose.training.checkpoint import LAST


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
    possible, and with several processes one batch more, so that none waits for the others' answer.

    Args:
        folder: folder for the stage's checkpoints.
        every_n_steps: batches between two saves; None to save at epoch ends only.
        interrupt: records signals.
    """

    def __init__(self, folder: Path, *, every_n_steps: int | None, interrupt: Interrupt) -> None:
        self.folder = folder
        self.every_n_steps = every_n_steps
        self.interrupt = interrupt
        self._any_rank = AnyRank()

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
        is_told = self._any_rank.ask(self.interrupt.noted is not None)
        if is_told or (self.every_n_steps and done % self.every_n_steps == 0):
            trainer.save_checkpoint(self.folder / LAST, weights_only=False)
        if is_told:
            self.interrupt.check()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop after a signal; the previous epoch has saved its checkpoint."""
        if any(everyones(self.interrupt.noted is not None)):
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
