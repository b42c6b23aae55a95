"""What a contrastive loss compares: projections of the views. N views, D width, K keypoints.

- embedding: the backbone's embedding through an MLP (SimCLR, arXiv 2002.05709, section 2.1).
- keypoints: latent heatmaps of the feature pyramid read by soft-argmax, as the heatmap encoders of
  the paper have them: K = D / 2 points in crop sides from the crop's centre.
- maps: those heatmaps themselves.
"""

from typing import Any

from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.geometry.heatmap import soft_argmax, spatial_softmax
from handpose.objectives.base import mlp
from handpose.records import Features


class EmbeddingProjection(nn.Module):
    """embedding (N, E) -> (N, D), read as D / 2 points where points are asked for."""

    def __init__(
        self, *, embedding_dim: int, hidden_dim: int, projection_dim: int, bias: bool
    ) -> None:
        super().__init__()
        self.mlp = mlp(embedding_dim, hidden_dim, projection_dim, last_bias=bias)

    def forward(self, features: Features, embedding: Tensor) -> Tensor:
        return self.mlp(embedding)


class MapProjection(nn.Module):
    """Feature pyramid -> K heatmaps (N, K, S / stride, S / stride), each summing to 1."""

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        image_size: int,
        decoder_width: int,
        num_maps: int,
    ) -> None:
        super().__init__()
        self.decoder = TopDown(
            channels=channels, width=decoder_width, stride=strides[0], image_size=image_size
        )
        self.maps = nn.Conv2d(decoder_width, num_maps, 1)

    def forward(self, features: Features, embedding: Tensor) -> Tensor:
        return spatial_softmax(self.maps(self.decoder(features)))


class KeypointProjection(MapProjection):
    """Feature pyramid -> K keypoints (N, 2 K): u and v of each, in crop sides from the centre."""

    def __init__(self, *, image_size: int, **dense: Any) -> None:
        super().__init__(image_size=image_size, **dense)
        self.image_size = image_size

    def forward(self, features: Features, embedding: Tensor) -> Tensor:
        px = soft_argmax(super().forward(features, embedding), self.image_size)
        return ((px - (self.image_size - 1) / 2) / self.image_size).flatten(1)


def build_projection(
    kind: str,
    *,
    hidden_dim: int,
    projection_dim: int,
    bias: bool,
    decoder_width: int,
    channels: tuple[int, ...],
    strides: tuple[int, ...],
    embedding_dim: int,
    image_size: int,
) -> nn.Module:
    """The projection of this kind, (features, embedding) of N views -> (N, ...).

    Raises:
        ValueError: there is no such kind, or D is odd; says what to write.
    """
    if projection_dim % 2:
        raise ValueError(
            f"objective.projection_dim={projection_dim} must be even: it is read as 2D points"
        )
    if kind == "embedding":
        return EmbeddingProjection(
            embedding_dim=embedding_dim,
            hidden_dim=hidden_dim,
            projection_dim=projection_dim,
            bias=bias,
        )
    dense = {"keypoints": KeypointProjection, "maps": MapProjection}
    if kind not in dense:
        raise ValueError(f"objective.projection={kind}: give embedding, keypoints or maps")
    return dense[kind](
        channels=channels,
        strides=strides,
        image_size=image_size,
        decoder_width=decoder_width,
        num_maps=projection_dim // 2,
    )
