"""The interface of a backbone, and the normalisation of its input. S side of the image in px."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from handpose.records import Features

# Mean and standard deviation of ImageNet's RGB channels in 0..255, which published weights expect.
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)


def normalise(image: Tensor) -> Tensor:
    """uint8 RGB (..., 3, S, S) -> float32, standardised by ImageNet's channel statistics."""
    mean = torch.tensor(_MEAN, device=image.device)[:, None, None]
    std = torch.tensor(_STD, device=image.device)[:, None, None]
    return (image.float() - mean) / std


class Backbone(nn.Module, ABC):
    """Normalised image (B, 3, S, S) -> features, fine -> coarse.

    Attributes:
        channels: Of each level: level i is (B, channels[i], S / strides[i], S / strides[i]).
        strides: Of each level, in px of the image.
        network: The library's model without its classifier. Its state dict has the library's own
            keys, so weights load strictly.
        decoder: State of the `TopDown` that an objective read latent keypoints through, if any; a
            heatmap head can start from it.
    """

    network: Any
    decoder: Mapping[str, Tensor] | None = None
    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def layers(self) -> list[tuple[str, ...]]:
        """Returns the names of the modules of each layer of `network`, from the input up.

        Here each child with parameters is a layer; parameters of no child belong to the first.
        """
        own = tuple(name for name, _ in self.network.named_parameters(recurse=False))
        children = [name for name, child in self.network.named_children() if [*child.parameters()]]
        return [(*own, *children[:1]), *((name,) for name in children[1:])]

    @property
    @abstractmethod
    def embedding_dim(self) -> int:
        """Width of `embedding`."""

    @property
    def widths(self) -> dict[str, Any]:
        """What an objective or a head needs to know: channels, strides and embedding_dim."""
        return {name: getattr(self, name) for name in ("channels", "strides", "embedding_dim")}

    @abstractmethod
    def forward(self, image: Tensor) -> Features:
        """Returns the feature pyramid."""

    @abstractmethod
    def embedding(self, features: Features) -> Tensor:
        """Returns one vector per image: (B, embedding_dim)."""

    def encode(self, image: Tensor) -> tuple[Features, Tensor]:
        """uint8 RGB (..., 3, S, S) -> (features, embedding), both with the same leading axes."""
        leading = image.shape[:-3]
        features = self(normalise(image.flatten(0, -4)))
        embedding = self.embedding(features).unflatten(0, leading)
        return tuple(level.unflatten(0, leading) for level in features), embedding
