"""The contrastive objective: invariance. SimCLR (Chen et al., arXiv 2002.05709) on hand crops."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handpose.backbones.top_down import TopDown
from handpose.distributed.collectives import gather
from handpose.losses import negatives, nt_xent, similarity_weights
from handpose.objectives.base import Objective
from handpose.objectives.projection import build_projection
from handpose.records import Features, Views


class Contrastive(Objective):
    """NT-Xent between the projections of two views; weighted where the views have poses.

    In training every process takes the loss of the whole batch: all its views are negatives, and
    the distances of all its poses weigh them. In evaluation each goes through all pairs by itself.

    Args:
        temperature: T of NT-Xent.
        projection: what is compared, "embedding", "keypoints" or "maps" (see `projection`).
        hidden_dim: width of the embedding's MLP.
        projection_dim: D; keypoints and maps are D / 2.
        projection_bias: whether the last layer of the embedding's MLP has a bias.
        decoder_width: channels of the decoder of keypoints and maps.
        same_pose_negatives: whether samples of one identity are each other's negatives in the loss.
        **contract: what every objective takes (see `Objective`).
    """

    takes_mined_positives = True

    def __init__(
        self,
        *,
        temperature: float,
        projection: str,
        hidden_dim: int,
        projection_dim: int,
        decoder_width: int,
        projection_bias: bool = True,
        same_pose_negatives: bool = False,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.temperature = temperature
        self.same_pose_negatives = same_pose_negatives
        self.reads_features = projection != "embedding"
        widths = {name: contract[name] for name in ("channels", "strides", "embedding_dim")}
        self.projector = build_projection(
            projection,
            hidden_dim=hidden_dim,
            projection_dim=projection_dim,
            bias=projection_bias,
            decoder_width=decoder_width,
            image_size=self.image_size,
            **widths,
        )

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        shape = embedding.shape[:2]
        levels = tuple(level.flatten(0, 1) for level in features)
        projected = self.projector(levels, embedding.flatten(0, 1)).unflatten(0, shape)
        whole = gather if self.training else _as_it_is
        compared = whole(self.compared(projected, views).flatten(2))
        identity, weights = whole(views.identity), None
        apart = whole(views.index) if self.same_pose_negatives else identity
        if views.pose.shape[-1] > 0:
            weights = similarity_weights(whole(views.pose), whole(views.pose_valid))
        return {
            "loss": nt_xent(compared, apart, temperature=self.temperature, weights=weights),
            **partner_top1(compared.detach(), identity),
        }

    @property
    def decoder(self) -> TopDown | None:
        return getattr(self.projector, "decoder", None)

    def compared(self, projected: Tensor, views: Views) -> Tensor:
        """What of the projections (B, V, ...) should agree between two views: all of it."""
        return projected


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def partner_top1(projections: Tensor, identity: Tensor) -> dict[str, Tensor]:
    """How often a first view's nearest second view (cosine) is its own partner.

    The candidates of a view are its partner and the second views that are its `negatives`: fewer
    than the batch where identities repeat, and than evaluate.batch_size in a smaller last batch.

    Args:
        projections: (B, 2, D). Compared outside autocast: in 16 bits similarities tie.
        identity: (B, 2).

    Returns:
        "top1", () in 0..1, NaN where a projection is not finite, and "top1_chance", (): what a
        guess among as many candidates gets.
    """
    with torch.autocast(projections.device.type, enabled=False):
        z = F.normalize(projections.float(), dim=-1)
        similarity = z[:, 0] @ z[:, 1].T
    candidates = negatives(identity)[: len(z), len(z) :]
    candidates.fill_diagonal_(True)
    nearest = similarity.masked_fill(~candidates, -torch.inf).argmax(1)
    share = (nearest == torch.arange(len(z), device=z.device)).float().mean()
    return {
        "top1": torch.where(z.isfinite().all(), share, torch.nan),
        "top1_chance": (1 / candidates.sum(1)).mean(),
    }
