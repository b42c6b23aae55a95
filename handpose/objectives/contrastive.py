"""The contrastive objective: invariance. SimCLR (Chen et al., arXiv 2002.05709) on hand crops."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handpose.losses import nt_xent
from handpose.objectives.base import Objective, mlp
from handpose.records import Features, Views


class Contrastive(Objective):
    """NT-Xent between the projections of two views.

    Args:
        temperature: T of NT-Xent.
        hidden_dim, projection_dim: widths of the projection head.
        **contract: what every objective takes (see `Objective`).
    """

    def __init__(
        self, *, temperature: float, hidden_dim: int, projection_dim: int, **contract: Any
    ) -> None:
        super().__init__(**contract)
        self.temperature = temperature
        self.projector = mlp(contract["embedding_dim"], hidden_dim, projection_dim)

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        projections = self.projector(embedding.flatten(0, 1)).unflatten(0, embedding.shape[:2])
        return {
            "loss": nt_xent(projections, views.identity, temperature=self.temperature),
            "top1": partner_top1(projections.detach(), views.identity),
        }


def partner_top1(projections: Tensor, identity: Tensor) -> Tensor:
    """How often a first view's nearest second view (cosine) is its own image's. () in 0..1.

    projections (B, 2, D); samples of one identity (B,) do not compete with each other.
    """
    z = F.normalize(projections.float(), dim=-1)
    similarity = z[:, 0] @ z[:, 1].T
    same = identity[:, None] == identity[None]
    same.fill_diagonal_(False)
    nearest = similarity.masked_fill(same, -torch.inf).argmax(1)
    return (nearest == torch.arange(len(z), device=z.device)).float().mean()
