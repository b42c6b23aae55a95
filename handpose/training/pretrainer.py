"""Pre-training: views of unlabelled images -> the objective's loss. B batch, V views, S px."""

import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from handpose.backbones.base import Backbone, normalise
from handpose.objectives.hybrid import Hybrid
from handpose.records import Features, Views
from handpose.training.health import HealthPanel
from handpose.training.optim import OptimizerFactory
from handpose.training.probe import OnlineProbe
from handpose.training.stage import Stage


class Pretrainer(Stage):
    """A backbone under an objective of one or several parts, each on its own views.

    Args:
        backbone: to be trained.
        objective: its parts, by their names in the batch.
        optimizer, warmup_epochs: see `Stage`.
        probe: watches with a few labels; None for none.
    """

    stage = "pretrain"

    def __init__(
        self,
        *,
        backbone: Backbone,
        objective: Hybrid,
        optimizer: OptimizerFactory,
        warmup_epochs: float,
        probe: OnlineProbe | None = None,
    ) -> None:
        super().__init__(optimizer=optimizer, warmup_epochs=warmup_epochs)
        self.backbone = backbone
        self.objective = objective
        self.probe = probe
        self.health = HealthPanel()

    def forward(self, batch: dict[str, Views]) -> dict[str, Tensor]:
        """{"loss": (), other terms}"""
        return self.objective(self.encode(batch))

    def encode(self, batch: dict[str, Views]) -> dict[str, tuple[Features, Tensor, Views]]:
        """All parts' views through the backbone in one pass -> what each part's objective takes."""
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
        return inputs

    def training_step(self, batch: dict[str, Views], batch_idx: int) -> Tensor:
        terms = self(batch)
        self.log_terms(terms, kind="train", batch_size=_batch_size(batch))
        return terms["loss"]

    def validation_step(self, batch: dict[str, Views], batch_idx: int) -> None:
        inputs = self.encode(batch)
        self.log_terms(self.objective(inputs), kind="val", batch_size=_batch_size(batch))
        batches = self.trainer.num_val_batches
        count = sum(batches) if isinstance(batches, list) else batches
        self.health.add(inputs, num_batches=int(count))

    def on_validation_epoch_end(self) -> None:
        values = {f"val_{name}": value for name, value in self.health.compute().items()}
        if self.probe is not None and self._probe_is_due(self.probe):
            values |= self.probe.measure(self.backbone)
        named = {f"{self.stage}/{name}": value for name, value in values.items()}
        self.log_dict(named, sync_dist=True)

    def _probe_is_due(self, probe: OnlineProbe) -> bool:
        """In training as the probe says, and whenever the held-out pairs alone are gone through."""
        last = self.current_epoch + 1 == self.trainer.max_epochs
        return self.trainer.state.fn != TrainerFn.FITTING or probe.is_due(
            self.current_epoch, last=last
        )


def _batch_size(batch: dict[str, Views]) -> int:
    return len(next(iter(batch.values())).index)
