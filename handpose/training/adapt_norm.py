"""BatchNorm's running statistics of other images than those of training."""

import logging

import pytorch_lightning as pl
from torch.nn.modules.batchnorm import _BatchNorm

from handpose.training.finetuner import Finetuner

_log = logging.getLogger(__name__)


class AdaptNorm(pl.Callback):
    """Replaces the running statistics of every BatchNorm by those of the predicted images.

    Labels are not used and weights stay. Source: Li et al., "Revisiting Batch Normalization For
    Practical Domain Adaptation" (AdaBN), 2016, Section 3. The statistics are the mean of those of
    the batches.

    Attributes:
        norms: The BatchNorm layers, once the prediction has started.
    """

    def __init__(self) -> None:
        self.norms: list[_BatchNorm] = []
        self._momenta: list[float | None] = []

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Sets the layers, of a model in evaluation mode, to training mode."""
        assert isinstance(pl_module, Finetuner)
        self.norms = [norm for norm in pl_module.model.modules() if isinstance(norm, _BatchNorm)]
        self._momenta = [norm.momentum for norm in self.norms]
        for norm in self.norms:
            norm.reset_running_stats()
            norm.momentum = None  # an average of all batches
            norm.train()
        if not self.norms:
            _log.warning("finetune.adapt_norm: the model has no BatchNorm, so nothing is adapted")

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Sets the layers back to evaluation mode."""
        for norm, momentum in zip(self.norms, self._momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
