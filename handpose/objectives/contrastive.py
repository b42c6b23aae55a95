"""The contrastive objective: invariance. SimCLR (Chen et al., arXiv 2002.05709) on hand crops."""

from typing import Any

from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.distributed.collectives import gather
from handpose.objectives.base import Objective
from handpose.objectives.nt_xent import nt_xent, partner_top1
from handpose.objectives.pose_weights import Poses
from handpose.objectives.projection import MAP_PROJECTIONS, EmbeddingProjection
from handpose.records import Features, Views


class Contrastive(Objective):
    """NT-Xent between the projections of two views, weighted by their poses if they have any.

    In training the loss is that of the whole batch: the views of all processes are negatives, and
    the distances of all poses give the weights. Each process computes a small batch whole, and its
    share of a large one. In evaluation each process has all pairs.

    Args:
        temperature: T of NT-Xent.
        projection: What is compared: "embedding", "keypoints" or "maps" (see `projection`).
        hidden_dim: Width of the embedding's MLP.
        projection_dim: D; keypoints and maps are D / 2.
        projection_bias: Whether the last layer of the embedding's MLP has a bias.
        decoder_width: Channels of the decoder of keypoints and maps.
        same_pose_negatives: Whether samples of one identity are each other's negatives in the loss.
        **contract: See `Objective`.

    Raises:
        ValueError: There is no such projection, or D is odd.
    """

    takes_mined_positives = True

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        projection: str = "embedding",
        hidden_dim: int = 512,
        projection_dim: int = 128,
        projection_bias: bool = True,
        decoder_width: int = 64,
        same_pose_negatives: bool = False,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.temperature = temperature
        self.same_pose_negatives = same_pose_negatives
        self.reads_features = projection != "embedding"
        if projection_dim % 2:
            raise ValueError(
                f"objective.projection_dim={projection_dim} must be even: it is read as 2D points"
            )
        self.projector: nn.Module
        if projection == "embedding":
            self.projector = EmbeddingProjection(
                embedding_dim=contract["embedding_dim"],
                hidden_dim=hidden_dim,
                projection_dim=projection_dim,
                bias=projection_bias,
            )
        elif projection in MAP_PROJECTIONS:
            self.projector = MAP_PROJECTIONS[projection](
                channels=contract["channels"],
                strides=contract["strides"],
                image_size=self.image_size,
                decoder_width=decoder_width,
                num_maps=projection_dim // 2,
            )
        else:
            raise ValueError(
                f"objective.projection={projection}: give embedding, keypoints or maps"
            )

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        shape = embedding.shape[:2]
        levels = tuple(level.flatten(0, 1) for level in features)
        projected = self.projector(levels, embedding.flatten(0, 1)).unflatten(0, shape)
        whole = gather if self.training else _unchanged
        compared = whole(self.compared(projected, views).flatten(2))
        identity, poses = whole(views.identity), None
        apart = whole(views.index) if self.same_pose_negatives else identity
        if views.pose.shape[-1] > 0:
            poses = Poses(whole(views.pose), whole(views.pose_valid))
        loss = nt_xent(
            compared, apart, temperature=self.temperature, poses=poses, shared=self.training
        )
        return {
            "loss": loss,
            **partner_top1(compared.detach(), identity),
        }

    @property
    def decoder(self) -> TopDown | None:
        return getattr(self.projector, "decoder", None)

    def compared(self, projected: Tensor, views: Views) -> Tensor:
        """Returns what should agree between two views: here all of the projections.

        Args:
            projected: (B, V, ...).
        """
        return projected


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor
