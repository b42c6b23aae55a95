"""SimSiam (Chen and He, CVPR 2021, arXiv 2011.10566): a predictor and a stopped gradient."""

from typing import Any

import torch
from lightly.loss.negative_cosine_similarity import NegativeCosineSimilarity
from lightly.models.modules.heads import SimSiamPredictionHead, SimSiamProjectionHead
from torch import Tensor

from handpose.objectives.without_negatives import WithoutNegatives, apply_to_views
from handpose.records import Features, Views


class SimSiam(WithoutNegatives):
    """1 + D(p1, stop(z2)) / 2 + D(p2, stop(z1)) / 2, eq. 2 and 4 of the paper.

    D is the negative cosine, z a projection, p = h(z) its prediction of the other view. The 1,
    which the paper leaves out, puts the minimum at 0, so that `Hybrid` can learn a weight.

    Args:
        hidden_dim: Width of the two hidden layers of the projector.
        projection_dim: Width of the projections and predictions.
        predictor_dim: Width of the predictor's hidden layer, a bottleneck.
        **contract: See `Objective`.
    """

    def __init__(
        self,
        *,
        hidden_dim: int = 512,
        projection_dim: int = 512,
        predictor_dim: int = 128,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        width = contract["embedding_dim"]
        self.projector = SimSiamProjectionHead(width, hidden_dim, projection_dim)
        self.predictor = SimSiamPredictionHead(projection_dim, predictor_dim, projection_dim)
        self.loss = NegativeCosineSimilarity(dim=-1)

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        projected = apply_to_views(self.projector, embedding)
        predicted = apply_to_views(self.predictor, projected)
        with torch.autocast(projected.device.type, enabled=False):
            loss = 1 + self.loss(predicted, projected.detach().flip(1))
        return {"loss": loss, **self.ranking(self.whole(projected), views)}
