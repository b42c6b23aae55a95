"""What a contrastive loss compares: projections of the views. N views, D width, K keypoints.

- embedding: the backbone's embedding through an MLP (SimCLR, arXiv 2002.05709, section 2.1).
- keypoints: latent heatmaps of the feature pyramid read by soft-argmax, as in the paper's heatmap
  encoders: K = D / 2 points in crop sides from the crop's centre.
- maps: those heatmaps themselves.
"""

from typing import Any

from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.geometry.soft_argmax import soft_argmax, spatial_softmax
from handpose.objectives.base import mlp
from handpose.records import Features

_STRIDE = 4  # px: of the maps, as of the heatmap head, which may start from their decoder


class EmbeddingProjection(nn.Module):
    """embedding (N, E) -> (N, D), read as D / 2 points if points are needed.

    Args:
        embedding_dim: E.
        hidden_dim: Width of the hidden layer.
        projection_dim: D.
        bias: Whether the last layer has a bias.
    """

    def __init__(
        self, *, embedding_dim: int, hidden_dim: int, projection_dim: int, bias: bool
    ) -> None:
        super().__init__()
        self.mlp = mlp(embedding_dim, hidden_dim, projection_dim, last_bias=bias)

    def forward(self, features: Features, embedding: Tensor) -> Tensor:
        return self.mlp(embedding)


class MapProjection(nn.Module):
    """Feature pyramid -> K heatmaps (N, K, S / stride, S / stride), each summing to 1.

    Args:
        channels: Of the backbone's levels.
        strides: Of the backbone's levels; the maps have the finest, and at most that of heatmaps.
        image_size: S in px.
        decoder_width: Channels of the decoder.
        num_maps: K.
    """

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
            channels=channels,
            width=decoder_width,
            stride=min(strides[0], _STRIDE),
            image_size=image_size,
            strides=strides,
        )
        self.maps = nn.Conv2d(decoder_width, num_maps, 1)

    def forward(self, features: Features, embedding: Tensor) -> Tensor:
        return spatial_softmax(self.maps(self.decoder(features)))


class KeypointProjection(MapProjection):
    """Feature pyramid -> K keypoints (N, 2 K): u and v of each, in crop sides from the centre.

    Args:
        image_size: S in px.
        **dense: See `MapProjection`.
    """

    def __init__(self, *, image_size: int, **dense: Any) -> None:
        super().__init__(image_size=image_size, **dense)
        self.image_size = image_size

    def forward(self, features: Features, embedding: Tensor) -> Tensor:
        px = soft_argmax(super().forward(features, embedding), self.image_size)
        return ((px - (self.image_size - 1) / 2) / self.image_size).flatten(1)


MAP_PROJECTIONS = {"keypoints": KeypointProjection, "maps": MapProjection}
