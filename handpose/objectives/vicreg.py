"""VICReg (Bardes et al., ICLR 2022, arXiv 2105.04906): invariance without negatives.

B pairs, D width.
"""

from typing import Any

import torch
from lightly.loss.vicreg_loss import invariance_loss, variance_loss
from lightly.models.modules.heads import VICRegProjectionHead
from torch import Tensor

from handpose.objectives.without_negatives import (
    WithoutNegatives,
    apply_to_views,
    pairs_with_variance,
)
from handpose.records import Features, Views


class VICReg(WithoutNegatives):
    """lambda s(Z, Z') + mu [v(Z) + v(Z')] / 2 + nu [c(Z) + c(Z')], eq. 6 of the paper.

    s: mean squared distance of the two views. v: hinge at 1 of the standard deviation of each
    dimension over the batch. c: squared covariances between dimensions, divided by D. As in
    lightly and the authors' code, v is averaged over the views. In training the batch is that of
    all processes.

    Args:
        hidden_dim: Width of the two hidden layers of the expander.
        projection_dim: D.
        invariance_weight: lambda.
        variance_weight: mu.
        covariance_weight: nu.
        **contract: See `Objective`.
    """

    def __init__(
        self,
        *,
        hidden_dim: int = 512,
        projection_dim: int = 128,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.weights = {
            "invariance": invariance_weight,
            "variance": variance_weight,
            "covariance": covariance_weight,
        }
        self.projector = VICRegProjectionHead(contract["embedding_dim"], hidden_dim, projection_dim)

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        compared = self.whole(apply_to_views(self.projector, embedding))
        with torch.autocast(compared.device.type, enabled=False):
            first, second = pairs_with_variance(compared)
            terms = {
                "invariance": invariance_loss(first, second),
                "variance": (variance_loss(first) + variance_loss(second)) / 2,
                "covariance": covariance_loss(first) + covariance_loss(second),
            }
        loss = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        named = {f"loss_{name}": term for name, term in terms.items()}
        return {"loss": loss, **named, **self.ranking(compared, views)}


def covariance_loss(projected: Tensor) -> Tensor:
    """Returns c of a view (B, D), (): eq. 4 of the paper.

    lightly's takes the entries beside the diagonal by a mask, for which a GPU would wait.
    """
    centred = projected - projected.mean(0)
    covariance = centred.T @ centred / (len(projected) - 1)
    apart = covariance - covariance.diagonal().diag()
    return apart.square().sum() / projected.shape[1]
