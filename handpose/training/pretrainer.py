"""Pre-training module: the objective's loss on views of unlabelled images."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from handpose.backbones.base import Backbone
from handpose.objectives.base import Inputs, Teacher
from handpose.objectives.hybrid import Hybrid
from handpose.objectives.moving_average import MovingAverage, momentum_at
from handpose.records import Views
from handpose.training.gradient_cache import Encoded, Images, encode_in_chunks, joined
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

    Attributes:
        teachers: moving average of the backbone for each part that uses one. They are part of the
            checkpoints, not of `backbone.pt`.
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
        self.teachers = nn.ModuleDict(
            {
                name: MovingAverage(backbone, batch_statistics=part.teacher_uses_batch_statistics)
                for name, part in objective.objectives.items()
                if part.uses_teacher
            }
        )

    def networks(self) -> list[nn.Module]:
        return [self.backbone, *(teacher.network for teacher in self._averages().values())]

    def _averages(self) -> dict[str, MovingAverage]:
        return cast(dict[str, MovingAverage], dict(self.teachers.items()))

    def forward(self, batch: dict[str, Views]) -> dict[str, Tensor]:
        """Return {"loss": (), other terms}."""
        return self._terms(self.encode(batch))

    def _terms(self, inputs: dict[str, Inputs]) -> dict[str, Tensor]:
        """Compute the objective's terms and how far its first teacher agrees with the backbone."""
        terms = self.objective(inputs)
        if self.teachers:
            taught = inputs[next(iter(self.teachers))]
            terms["teacher_agreement"] = _agreement(taught)
        return terms

    def loss_of(self, batch: dict[str, Views]) -> Tensor:
        """Compute the loss () without gradient caching and log nothing."""
        encoded = self._encode({part: views.image for part, views in batch.items()})
        return self.objective(self._inputs(batch, encoded))["loss"]

    def encode(self, batch: dict[str, Views]) -> dict[str, Inputs]:
        """Return the inputs of each part's objective."""
        images = {part: views.image for part, views in batch.items()}
        if self.gradient_cache_chunk is None or not torch.is_grad_enabled():
            encoded = self._encode(images)
        else:
            parts = [part for part in self.objective.objectives.values() if part.encodes_views]
            encoded = encode_in_chunks(
                self._encode,
                images,
                chunk=self.gradient_cache_chunk,
                network=nn.ModuleList([self.backbone, *parts]),
            )
        return self._inputs(batch, encoded)

    def _inputs(self, batch: dict[str, Views], encoded: Encoded) -> dict[str, Inputs]:
        """Return the inputs of each part's objective, with the teacher's view if it has one."""
        inputs: dict[str, Inputs] = {}
        for part, views in batch.items():
            inputs[part] = (*encoded[part], views)
            if part in self.teachers:
                inputs[part] = (*inputs[part], self._taught(part, views.image))
        return inputs

    @torch.no_grad()
    def _taught(self, part: str, image: Tensor) -> Teacher:
        """Encode the views (B, V, 3, S, S) by the teacher of a part, in chunks as the student."""
        network = self._averages()[part].network
        chunk = (self.training and self.gradient_cache_chunk) or len(image)
        features, embedding = joined([network.encode(rows) for rows in image.split(chunk)])
        reads = self.objective.objectives[part].reads_features
        return Teacher(features if reads else (), embedding)

    def _encode(self, images: Images) -> Encoded:
        """Encode the views of all parts; keep features only where they are read."""
        parts = self.objective.objectives
        alone = {part: image for part, image in images.items() if parts[part].encodes_views}
        encoded = {part: parts[part].encode(self.backbone, image) for part, image in alone.items()}
        if shared := {part: image for part, image in images.items() if part not in alone}:
            encoded |= self._encode_at_once(shared)
        return {part: encoded[part] for part in images}

    def _encode_at_once(self, images: Images) -> Encoded:
        """Encode the views of several parts in one pass."""
        whole = torch.cat([image.flatten(0, 1) for image in images.values()])
        features, embedding = self.backbone(self.backbone.normalise(whole))
        encoded: Encoded = {}
        start = 0
        for part, image in images.items():
            shape = image.shape[:2]
            own = slice(start, start + shape.numel())
            read = features if self.objective.objectives[part].reads_features else ()
            levels = tuple(level[own].unflatten(0, shape) for level in read)
            encoded[part] = (levels, embedding[own].unflatten(0, shape))
            start = own.stop
        return encoded

    def training_step(self, batch: dict[str, Views], batch_idx: int) -> Tensor:
        terms = self(batch)
        self.log_terms(terms, kind="train", batch_size=_batch_size(batch))
        return terms["loss"]

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then move the teachers; a skipped step leaves them as they are."""
        super().optimizer_step(*args, **kwargs)
        if self.teachers:
            total = int(self.trainer.estimated_stepping_batches)
            self.move_teachers(self.trainer.global_step, total_steps=total)

    def move_teachers(self, step: int, *, total_steps: int) -> None:
        """Move every teacher towards its student, by the momentum of this step.

        Args:
            step: optimizer steps before this one.
            total_steps: optimizer steps of the stage.
        """
        for part, teacher in self._averages().items():
            objective = self.objective.objectives[part]
            value = momentum_at(step, start=objective.teacher_momentum, total_steps=total_steps)
            momentum = self.momentum(value)
            teacher.update(self.backbone, momentum)
            objective.update_teacher(momentum)

    def validation_step(self, batch: dict[str, Views], batch_idx: int) -> None:
        inputs = self.encode(batch)
        self.log_terms(self._terms(inputs), kind="val", batch_size=_batch_size(batch))
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


@torch.no_grad()
def _agreement(inputs: Inputs) -> Tensor:
    """Return the mean cosine () of the embeddings of the same views by backbone and teacher."""
    teacher: Any = inputs[-1]
    return F.cosine_similarity(inputs[1].float(), teacher.embedding.float(), dim=-1).mean()


def _batch_size(batch: dict[str, Views]) -> int:
    return len(next(iter(batch.values())).index)
