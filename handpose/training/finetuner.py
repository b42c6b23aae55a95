"""Fine-tuning module: the head's loss on labelled crops, pose errors on the validation split."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from handpose.evaluation.pose_errors import alignable, aligned_joint_errors, joint_errors
from handpose.model import PoseModel
from handpose.objectives.moving_average import MovingAverage, decay_at
from handpose.records import Prediction, Target
from handpose.training.divergence import ABSURD_PREDICTION
from handpose.training.module import Stage
from handpose.training.optimizers import OptimizerFactory, rate_factors


class Scored(NamedTuple):
    """A batch of predictions and targets, without images, heatmaps and bins."""

    prediction: Prediction
    target: Target


class Finetuner(Stage):
    """Supervised training of a pose model.

    Args:
        model: backbone and head.
        optimizer: see `Stage`.
        warmup_epochs: see `Stage`.
        layer_decay: layer-wise decay of the learning rate (see `optimizers.rate_factors`); 1 for
            none.

    Attributes:
        average: moving average of the model, which validation measures; None without one.
    """

    stage = "finetune"

    def __init__(
        self,
        *,
        model: PoseModel,
        optimizer: OptimizerFactory,
        warmup_epochs: float,
        layer_decay: float = 1.0,
    ) -> None:
        super().__init__(optimizer=optimizer, warmup_epochs=warmup_epochs)
        self.model = model
        self.layer_decay = layer_decay
        self.average_decay: float | None = None
        self.average: MovingAverage | None = None
        self.val_epe2d = MeanMetric()
        self.val_pa_epe = MeanMetric()

    @staticmethod
    def monitor(*, in_3d: bool) -> str:
        """Return the metric that chooses the best model: aligned 3D error, or 2D error."""
        return "finetune/val_pa_epe_mm" if in_3d else "finetune/val_epe2d_crop_px"

    def networks(self) -> list[nn.Module]:
        return [self.model.backbone, self.model.head]

    def rate_factors(self) -> dict[nn.Parameter, float]:
        """Return factors that shrink towards the backbone's input; see `optimizers`."""
        return {} if self.layer_decay == 1 else rate_factors(self.model.backbone, self.layer_decay)

    def forward(self, batch: Target) -> Prediction:
        """Predict, outside of training with the averaged weights if there are any."""
        is_averaged = self.average is not None and not self.training
        model = self.average.network if is_averaged else self.model  # type: ignore[union-attr]
        return model(batch.image, batch.K)

    def start_average(self, decay: float) -> None:
        """Start a moving average of the weights at the present ones.

        BatchNorm's running statistics are averaged too.

        Args:
            decay: of the average after its warm-up (see `decay_at`).
        """
        self.average_decay = decay
        self.average = MovingAverage(self.model, batch_statistics=False)

    def adopt_average(self) -> None:
        """Give the averaged weights to the model; no-op without an average."""
        if self.average is not None:
            self.model.load_state_dict(self.average.network.state_dict())
            self.average = None

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then move the average; a skipped step leaves it as it is."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None and self.average_decay is not None:
            decay = decay_at(self.trainer.global_step, limit=self.average_decay)
            self.average.update(self.model, self.momentum(decay))

    def training_step(self, batch: Target, batch_idx: int) -> Tensor:
        terms = self.model.head.loss(self(batch), batch)
        self.log_terms(terms, kind="train", batch_size=len(batch.index))
        return _whole(terms)

    def loss_of(self, batch: Target) -> Tensor:
        """Return the loss of the model in training, never of its average."""
        return _whole(self.model.head.loss(self.model(batch.image, batch.K), batch))

    def validation_step(self, batch: Target, batch_idx: int) -> None:
        prediction = self(batch)
        terms = self.model.head.loss(prediction, batch)
        self.log_terms(terms, kind="val", batch_size=len(batch.index))
        error2d = joint_errors(prediction.uvz[..., :2], batch.uvz[..., :2])
        self.val_epe2d.update(error2d[batch.uv_valid])
        valid = alignable(batch.xyz_valid & batch.K_valid[:, None])
        # NaN counts as a hand of size 0; clamp since alignment overflows for larger values.
        xyz = prediction.xyz.nan_to_num(0, 0, 0).clamp(-ABSURD_PREDICTION, ABSURD_PREDICTION)
        error = aligned_joint_errors(xyz, batch.xyz, valid) * 1000
        self.val_pa_epe.update(error[valid])
        self.log("finetune/val_epe2d_crop_px", self.val_epe2d, on_epoch=True)
        self.log("finetune/val_pa_epe_mm", self.val_pa_epe, on_epoch=True)

    def predict_step(self, batch: Target, batch_idx: int) -> Scored:
        prediction = self(batch)
        empty = torch.empty(len(batch.index), 0)
        return Scored(
            prediction._replace(heatmap=empty, log_bins=empty), batch._replace(image=empty)
        )


def _whole(terms: dict[str, Tensor]) -> Tensor:
    return terms["loss"] + terms.get("loss_scale", 0.0)
