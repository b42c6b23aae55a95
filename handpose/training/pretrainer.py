"""Pre-training: views of unlabelled images -> the objective's loss. B batch, V views, S px."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from handpose.backbones.base import Backbone, normalise
from handpose.objectives.base import Objective
from handpose.records import Views
from handpose.training.optim import OptimizerFactory
from handpose.training.stage import Stage


class Pretrainer(Stage):
    """A backbone under one or several objectives, each on its own views, their losses added.

    Args:
        backbone: to be trained.
        objectives: by the name of their part in the batch.
        optimizer, warmup_epochs: see `Stage`.
    """

    stage = "pretrain"

    def __init__(
        self,
        *,
        backbone: Backbone,
        objectives: Mapping[str, Objective],
        optimizer: OptimizerFactory,
        warmup_epochs: float,
    ) -> None:
        super().__init__(optimizer=optimizer, warmup_epochs=warmup_epochs)
        self.backbone = backbone
        self.objectives = nn.ModuleDict(objectives)

    def forward(self, batch: dict[str, Views]) -> dict[str, Tensor]:
        """All parts' views through the backbone in one pass -> {"loss": their sum, other terms}."""
        images = torch.cat([batch[part].image.flatten(0, 1) for part in self.objectives])
        features = self.backbone(normalise(images))
        embedding = self.backbone.embedding(features)
        terms: dict[str, Tensor] = {}
        losses, start = [], 0
        for part, objective in self.objectives.items():
            views = batch[part]
            end, shape = start + views.image[:, :, 0, 0, 0].numel(), views.image.shape[:2]
            own = tuple(level[start:end].unflatten(0, shape) for level in features)
            result = objective(own, embedding[start:end].unflatten(0, shape), views)
            losses.append(result.pop("loss"))
            terms |= result
            start = end
        return {"loss": torch.stack(losses).sum(), **terms}

    def training_step(self, batch: dict[str, Views], batch_idx: int) -> Tensor:
        terms = self(batch)
        self.log_terms(terms, kind="train", batch_size=_batch_size(batch))
        return terms["loss"]

    def validation_step(self, batch: dict[str, Views], batch_idx: int) -> None:
        self.log_terms(self(batch), kind="val", batch_size=_batch_size(batch))


def _batch_size(batch: dict[str, Views]) -> int:
    return len(next(iter(batch.values())).index)
