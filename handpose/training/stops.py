"""Callbacks that end a stage before its last epoch, and end it again after a resume."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason

from handpose.distributed.collectives import AnyRank
from handpose.training.module import Stage


class EarlyStop(EarlyStopping):
    """Lightning's early stopping, at validations and for a metric that falls.

    Its state is in every checkpoint: a stage that has stopped does not train on after a resume.

    Args:
        monitor: metric that chooses the best model.
        patience: epochs without an improvement.
        min_delta: smallest improvement that counts.
    """

    def __init__(self, monitor: str, *, patience: int, min_delta: float) -> None:
        super().__init__(
            monitor=monitor,
            patience=patience,
            min_delta=min_delta,
            check_finite=False,  # a metric that is not finite is no improvement
            check_on_train_epoch_end=False,  # before the checkpoint of the epoch
        )

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.stopping_reason != EarlyStoppingReason.NOT_STOPPED:
            trainer.should_stop = True

    def describe(self, trainer: pl.Trainer) -> str | None:
        """Return why and when the stage stopped; None if it trained all its epochs."""
        epochs = self.stopped_epoch + 1
        is_early = epochs < (trainer.max_epochs or 0)
        if self.stopping_reason == EarlyStoppingReason.NOT_STOPPED or not is_early:
            return None
        metric = self.monitor.rpartition("/")[-1]
        return (
            f"after epoch {epochs} of {trainer.max_epochs}: no better {metric} for "
            f"{self.wait_count} epochs (finetune.early_stopping)"
        )


class TimeBudget(pl.Callback):
    """Ends a stage, with a validation and a checkpoint, when its time of training is used up.

    The time is that of the stage over all its processes' lives, which checkpoints hold. It must
    come after the callbacks that save checkpoints within an epoch: the flag is then stored only
    with the last validation.

    Args:
        seconds: time of training.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.step: int | None = None  # optimizer steps at the end; None before it
        self._any_rank = AnyRank()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.step is not None:
            trainer.should_stop = True

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.fit_loop._should_accumulate():
            return
        assert isinstance(pl_module, Stage)
        if self._any_rank.ask(pl_module.seconds >= self.seconds):
            self.step = trainer.global_step
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.step = state_dict["step"]

    def describe(self, trainer: pl.Trainer) -> str | None:
        """Return why and when the stage stopped; None if it made all its steps."""
        steps = int(trainer.estimated_stepping_batches)
        if self.step is None or self.step >= steps:
            return None
        return (
            f"after step {self.step} of {steps}: its time is used up (trainer.lightning.max_time)"
        )
