"""What the two stages share: the optimizer's wiring, and how a step's terms are logged."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from handpose.distributed.collectives import take_buffers_of_first
from handpose.training.monitors import EpochMeans
from handpose.training.optimizers import OptimizerFactory, configure


class Stage(pl.LightningModule):
    """A stage of training; `stage` ("pretrain", "finetune") prefixes what it logs.

    Args:
        optimizer: parameter groups -> optimizer.
        warmup_epochs: length of the linear warm-up.
    """

    stage: str

    def __init__(self, *, optimizer: OptimizerFactory, warmup_epochs: float) -> None:
        super().__init__()
        self.optimizer_factory = optimizer
        self.warmup_epochs = warmup_epochs
        self._means = EpochMeans()
        self._before = 0.0  # seconds, of the processes before this one
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long this stage has been trained, those processes before a resume included."""
        return self._before + time.monotonic() - self._start

    def on_fit_start(self) -> None:
        self._start = time.monotonic()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seconds"] = self.seconds
        checkpoint["means"] = self._means.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._before = checkpoint["seconds"]
        self._means.load_state_dict(checkpoint["means"])

    def on_validation_start(self) -> None:
        take_buffers_of_first(self)  # what is measured is what will be saved

    def on_validation_epoch_end(self) -> None:
        """Logs what was trained before it: what is logged here is so before the checkpoint."""
        if self.trainer.state.fn == TrainerFn.FITTING:
            self.log_dict(self._means.take())

    def configure_optimizers(self) -> Any:
        total = int(self.trainer.estimated_stepping_batches)
        epochs = max(1, self.trainer.max_epochs or 1)
        warmup = round(self.warmup_epochs * total / epochs)
        return configure(
            self,
            self.optimizer_factory,
            warmup_steps=warmup,
            total_steps=total,
            factors=self.rate_factors(),
        )

    def rate_factors(self) -> dict[nn.Parameter, float]:
        """Factors on the learning rate; a parameter that is left out has 1."""
        return {}

    def log_terms(self, terms: dict[str, Tensor], *, kind: str, batch_size: int) -> None:
        """Logs each term as "<stage>/<kind>_<term>", averaged over the epoch.

        Args:
            kind: "train" or "val".
        """
        named = {f"{self.stage}/{kind}_{name}": value.detach() for name, value in terms.items()}
        if kind == "train":
            self._means.add(named, weight=batch_size)
        else:
            self.log_dict(
                named, on_step=False, on_epoch=True, batch_size=batch_size, sync_dist=True
            )
