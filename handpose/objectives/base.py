"""The contract of a pre-training objective."""

from abc import ABC, abstractmethod
from itertools import pairwise

from torch import Tensor, nn

from handpose.augment.settings import Augmentation
from handpose.backbones.top_down import TopDown
from handpose.records import Features, Views


class Objective(nn.Module, ABC):
    """Pairs of views -> loss. B batch, V = 2 views.

    Args:
        channels, strides, embedding_dim: of the backbone.
        image_size: S, the side of the views in px.
        augmentation: what the views were drawn from.
    """

    # Whether the loss holds learned weights of its own, so that it can fall below zero.
    weighs_itself = False
    # Whether the two views may be of different images, of hands in similar poses.
    takes_mined_positives = False
    # Whether it reads more than the embedding; if not, no features are kept for it.
    reads_features = True

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        embedding_dim: int,
        image_size: int,
        augmentation: Augmentation,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.augmentation = augmentation

    @property
    def decoder(self) -> TopDown | None:
        """What latent keypoints are read through; None where the embedding is."""
        return None

    @abstractmethod
    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        """features[i] (B, V, channels[i], h, w), embedding (B, V, E) -> {"loss": (), ...}.

        Every further entry is a scalar to be logged, averaged over batches.
        """


def mlp(*widths: int, last_bias: bool = True) -> nn.Sequential:
    """Linear layers of these widths with BatchNorm and ReLU between them."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths[:-1]):
        layers += [
            nn.Linear(width_in, width_out, bias=False),
            nn.BatchNorm1d(width_out),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1], bias=last_bias))
