"""Pre-training: views of unlabelled images -> the objective's loss. B batch, V views, S px."""

import torch
from torch import Tensor

from handpose.backbones.base import Backbone, normalise
from handpose.objectives.hybrid import Hybrid
from handpose.records import Views
from handpose.training.optim import OptimizerFactory
from handpose.training.stage import Stage


class Pretrainer(Stage):
    """A backbone under an objective of one or several parts, each on its own views.

    Args:
        backbone: to be trained.
        objective: its parts, by their names in the batch.
        optimizer, warmup_epochs: see `Stage`.
    """

    stage = "pretrain"

    def __init__(
        self,
        *,
        backbone: Backbone,
        objective: Hybrid,
        optimizer: OptimizerFactory,
        warmup_epochs: float,
    ) -> None:
        super().__init__(optimizer=optimizer, warmup_epochs=warmup_epochs)
        self.backbone = backbone
        self.objective = objective

    def forward(self, batch: dict[str, Views]) -> dict[str, Tensor]:
        """All parts' views through the backbone in one pass -> {"loss": (), other terms}."""
        images = torch.cat([views.image.flatten(0, 1) for views in batch.values()])
        features = self.backbone(normalise(images))
        embedding = self.backbone.embedding(features)
        inputs, start = {}, 0
        for part, views in batch.items():
            shape = views.image.shape[:2]
            own = slice(start, start + shape.numel())
            levels = tuple(level[own].unflatten(0, shape) for level in features)
            inputs[part] = (levels, embedding[own].unflatten(0, shape), views)
            start = own.stop
        return self.objective(inputs)

    def training_step(self, batch: dict[str, Views], batch_idx: int) -> Tensor:
        terms = self(batch)
        self.log_terms(terms, kind="train", batch_size=_batch_size(batch))
        return terms["loss"]

    def validation_step(self, batch: dict[str, Views], batch_idx: int) -> None:
        self.log_terms(self(batch), kind="val", batch_size=_batch_size(batch))


def _batch_size(batch: dict[str, Views]) -> int:
    return len(next(iter(batch.values())).index)
