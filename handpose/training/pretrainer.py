"""Pre-training module: the objective's loss on views of unlabelled images."""

import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from handpose.backbones.base import Backbone
from handpose.objectives.hybrid import Hybrid
from handpose.records import Features, Views
from handpose.training.gradient_cache import Encoded, Images, encode_in_chunks
from handpose.training.module import Stage
from handpose.training.monitors import HealthPanel, OnlineProbe
from handpose.training.optimizers import OptimizerFactory


class Pretrainer(Stage):
    """Self-supervised training of a backbone with one or several objectives.

    Args:
        backbone: trained in place.
        objective: weighted parts, by their names in the batch.
        optimizer: see `Stage`.
        warmup_epochs: see `Stage`.
        probe: measures with a few labels; None to disable.
        gradient_cache_chunk: pairs per chunk of a training batch (see `gradient_cache`); None for
            the whole batch.
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
        gradient_cache_chunk: int | None = None,
    ) -> None:
        super().__init__(optimizer=optimizer, warmup_epochs=warmup_epochs)
        self.backbone = backbone
        self.objective = objective
        self.probe = probe
        self.gradient_cache_chunk = gradient_cache_chunk
        self.health = HealthPanel()

    def networks(self) -> list[nn.Module]:
        return [self.backbone]

    def forward(self, batch: dict[str, Views]) -> dict[str, Tensor]:
        """Return {"loss": (), other terms}."""
        return self.objective(self.encode(batch))

    def loss_of(self, batch: dict[str, Views]) -> Tensor:
        """Compute the loss () without gradient caching and log nothing."""
        encoded = self._encode({part: views.image for part, views in batch.items()})
        return self.objective({k: (*encoded[k], views) for k, views in batch.items()})["loss"]

    def encode(self, batch: dict[str, Views]) -> dict[str, tuple[Features, Tensor, Views]]:
        """Return the inputs of each part's objective."""
        images = {part: views.image for part, views in batch.items()}
        if self.gradient_cache_chunk is None or not torch.is_grad_enabled():
            encoded = self._encode(images)
        else:
            encoded = encode_in_chunks(
                self._encode, images, chunk=self.gradient_cache_chunk, network=self.backbone
            )
        return {part: (*encoded[part], views) for part, views in batch.items()}

    def _encode(self, images: Images) -> Encoded:
        """Encode the views of all parts in one pass; keep features only where they are read."""
        whole = torch.cat([image.flatten(0, 1) for image in images.values()])
        features = self.backbone(self.backbone.normalise(whole))
        embedding = self.backbone.embedding(features)
        encoded: Encoded = {}
        start = 0
        for part, image in images.items():
            shape = image.shape[:2]
            own = slice(start, start + shape.numel())
            read = features if self.objective.reads_features(part) else ()
            levels = tuple(level[own].unflatten(0, shape) for level in read)
            encoded[part] = (levels, embedding[own].unflatten(0, shape))
            start = own.stop
        return encoded

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
        super().on_validation_epoch_end()
        values = {f"val_{name}": value for name, value in self.health.compute().items()}
        if self.probe is not None and self._probe_is_due(self.probe):
            values |= self.probe.measure(self.backbone)
        named = {f"{self.stage}/{name}": value for name, value in values.items()}
        self.log_dict(named, sync_dist=True)

    def _probe_is_due(self, probe: OnlineProbe) -> bool:
        """Return whether to measure: if the probe is due in training, always in evaluation."""
        last = self.current_epoch + 1 == self.trainer.max_epochs
        return self.trainer.state.fn != TrainerFn.FITTING or probe.is_due(
            self.current_epoch, last=last
        )


def _batch_size(batch: dict[str, Views]) -> int:
    return len(next(iter(batch.values())).index)
