"""Base Lightning module of both stages: optimizer, schedule and logging of loss terms."""

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from handpose.distributed.collectives import take_buffers_of_first
from handpose.records import CropBatch
from handpose.training.device_views import rendered
from handpose.training.monitors import EpochMeans
from handpose.training.optimizers import OptimizerFactory, configure


class Stage(pl.LightningModule):
    """A training stage; `stage` ("pretrain" or "finetune") prefixes its metrics.

    Args:
        optimizer: function from parameter groups to an optimizer.
        warmup_epochs: length of the linear warm-up, in epochs.

    Attributes:
        resident: (M, P, Q, 3) uint8 crops of the training split on the device; None: batches bring
            their crops or views.
        skips_step: () bool on the device, whether this optimizer step is skipped; set by
            `NonFiniteGuard`. None without it.
    """

    stage: str
    resident: Tensor | None = None
    skips_step: Tensor | None = None

    def __init__(self, *, optimizer: OptimizerFactory, warmup_epochs: float) -> None:
        super().__init__()
        self.optimizer_factory = optimizer
        self.warmup_epochs = warmup_epochs
        self._means = EpochMeans()
        self._before = 0.0  # seconds of training in earlier processes
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training, including the processes before a resume."""
        return self._before + time.monotonic() - self._start

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Render the views of a batch of crops; no hook or callback sees it before."""
        return rendered(batch, self.resident) if isinstance(batch, CropBatch) else batch

    def on_fit_start(self) -> None:
        self._start = time.monotonic()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seconds"] = self.seconds
        checkpoint["means"] = self._means.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._before = checkpoint["seconds"]
        self._means.load_state_dict(checkpoint["means"])

    def on_validation_start(self) -> None:
        take_buffers_of_first(self)  # evaluate the buffers that rank 0 saves

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's training means here, since the checkpoint follows."""
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

    def momentum(self, value: float) -> Tensor:
        """Return the momentum () of a moving average, on the device; 1 for a skipped step.

        Args:
            value: momentum of this step.
        """
        momentum = torch.full((), value, dtype=torch.float64, device=self.device)
        return momentum if self.skips_step is None else torch.where(self.skips_step, 1.0, momentum)

    def networks(self) -> list[nn.Module]:
        """Return the modules that `trainer.compile` compiles."""
        return []

    def rate_factors(self) -> dict[nn.Parameter, float]:
        """Return learning rate factors; parameters not listed have 1."""
        return {}

    def loss_of(self, batch: Any) -> Tensor:
        """Compute the loss () of a batch and log nothing."""
        raise NotImplementedError

    def log_terms(self, terms: dict[str, Tensor], *, kind: str, batch_size: int) -> None:
        """Log each term as "<stage>/<kind>_<term>", averaged over the epoch.

        Args:
            terms: scalars by name.
            kind: "train" or "val".
            batch_size: samples in the batch, the weight in the average.
        """
        named = {f"{self.stage}/{kind}_{name}": value.detach() for name, value in terms.items()}
        if kind == "train":
            self._means.add(named, weight=batch_size)
        else:
            self.log_dict(
                named, on_step=False, on_epoch=True, batch_size=batch_size, sync_dist=True
            )
