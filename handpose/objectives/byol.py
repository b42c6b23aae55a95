"""BYOL (Grill et al., NeurIPS 2020, arXiv 2006.07733): predict a slowly moving teacher."""

from typing import Any

import torch
from lightly.loss.negative_cosine_similarity import NegativeCosineSimilarity
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from torch import Tensor

from handpose.objectives.base import Teacher
from handpose.objectives.moving_average import MovingAverage
from handpose.objectives.without_negatives import WithoutNegatives, apply_to_views
from handpose.records import Features, Views


class BYOL(WithoutNegatives):
    """2 - 2 cos(q(z), z'), eq. 2 of the paper, averaged over the two orders of the views.

    z is the projection of a view, q the predictor, and z' the other view's projection by the
    teacher, whose backbone and projector are moving averages of the student's (the paper's target
    network).

    Args:
        hidden_dim: Width of the hidden layers of projector and predictor.
        projection_dim: Width of the projections and predictions.
        teacher_momentum: Of the moving average at the start; it rises to 1 over the stage.
        **contract: See `Objective`.
    """

    uses_teacher = True

    def __init__(
        self,
        *,
        hidden_dim: int = 512,
        projection_dim: int = 128,
        teacher_momentum: float = 0.97,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.teacher_momentum = teacher_momentum
        self.projector = BYOLProjectionHead(contract["embedding_dim"], hidden_dim, projection_dim)
        self.predictor = BYOLPredictionHead(projection_dim, hidden_dim, projection_dim)
        self.target_projector = MovingAverage(self.projector)
        self.loss = NegativeCosineSimilarity(dim=-1)

    def update_teacher(self, momentum: Tensor) -> None:
        self.target_projector.update(self.projector, momentum)

    def forward(
        self,
        features: Features,
        embedding: Tensor,
        views: Views,
        teacher: Teacher | None = None,
    ) -> dict[str, Tensor]:
        assert teacher is not None, "the pre-training module supplies it"
        projected = apply_to_views(self.projector, embedding)
        predicted = apply_to_views(self.predictor, projected)
        with torch.no_grad():
            targets = apply_to_views(self.target_projector.network, teacher.embedding)
        with torch.autocast(projected.device.type, enabled=False):
            loss = 2 + 2 * self.loss(predicted, targets.flip(1))
        return {"loss": loss, **self.ranking(self.whole(projected), views)}
