"""The contract of a backbone, and the normalisation of its input."""

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
    """Image (B, 3, S, S), normalised -> features, fine -> coarse.

    Level i has `channels[i]` channels and `strides[i]`: (B, channels[i], S / strides[i], ...).
    `network` is the library's model without its classifier; its state dict bears the library's
    own key names, so that weights go in and out strictly. `decoder` is the state of the `TopDown`
    that an objective read latent keypoints through, if one did: a heatmap head can go on with it.
    """

    network: Any
    decoder: Mapping[str, Tensor] | None = None
    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def layers(self) -> list[tuple[str, ...]]:
        """What `network` is made of, from the input up: the names of each layer's modules.

        Here each child with parameters is a layer; parameters of no child belong to the first.
        """
        own = tuple(name for name, _ in self.network.named_parameters(recurse=False))
        children = [name for name, child in self.network.named_children() if [*child.parameters()]]
        return [(*own, *children[:1]), *((name,) for name in children[1:])]

    @property
    @abstractmethod
    def embedding_dim(self) -> int:
        """Width of `embedding`."""

    @abstractmethod
    def forward(self, image: Tensor) -> Features:
        """The feature pyramid."""

    @abstractmethod
    def embedding(self, features: Features) -> Tensor:
        """One vector an image: (B, embedding_dim)."""
