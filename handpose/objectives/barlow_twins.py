"""Barlow Twins (Zbontar et al., ICML 2021, arXiv 2103.03230): invariance without negatives."""

from typing import Any

import torch
from lightly.loss.barlow_twins_loss import BarlowTwinsLoss
from lightly.models.modules.heads import BarlowTwinsProjectionHead
from torch import Tensor

from handpose.objectives.without_negatives import (
    WithoutNegatives,
    apply_to_views,
    pairs_with_variance,
)
from handpose.records import Features, Views


class BarlowTwins(WithoutNegatives):
    """sum_i (1 - C_ii)^2 + lambda sum_i sum_{j != i} C_ij^2, eq. 1 of the paper.

    C is the cross-correlation (D, D) of the two views' projections over the batch. In training the
    batch is that of all processes.

    Args:
        hidden_dim: Width of the two hidden layers of the projector.
        projection_dim: D.
        redundancy_weight: lambda.
        **contract: See `Objective`.
    """

    def __init__(
        self,
        *,
        hidden_dim: int = 512,
        projection_dim: int = 128,
        redundancy_weight: float = 0.005,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.loss = BarlowTwinsLoss(lambda_param=redundancy_weight)
        self.projector = BarlowTwinsProjectionHead(
            contract["embedding_dim"], hidden_dim, projection_dim
        )

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        compared = self.whole(apply_to_views(self.projector, embedding))
        with torch.autocast(compared.device.type, enabled=False):
            loss = self.loss(*pairs_with_variance(compared))
        return {"loss": loss, **self.ranking(compared, views)}
