"""The interface of a backbone, and the normalisation of its input. N images, S their side in px."""

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
    mean, std = (
        torch.tensor(values, device=image.device)[:, None, None] for values in (_MEAN, _STD)
    )
    return (image - mean) / std


class Backbone(nn.Module, ABC):
    """Normalised image (B, 3, S, S) -> features, fine -> coarse.

    Attributes:
        channels: Of each level: level i is (B, channels[i], S / strides[i], S / strides[i]).
        strides: Of each level, in px of the image.
        network: The library's model without its classifier. Its state dict has the library's own
            keys, so weights load strictly.
        decoder: State of the `TopDown` that an objective read latent keypoints through, if any; a
            head with a decoder can start from it.
    """

    network: Any
    decoder: Mapping[str, Tensor] | None = None
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Buffers lie on the device: a tensor of numbers would be copied there in every step.
        for name, values in (("mean", _MEAN), ("std", _STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

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

    def normalise(self, image: Tensor) -> Tensor:
        """uint8 RGB (N, 3, S, S) -> float32, standardised by ImageNet's channel statistics.

        Under autocast the result has its dtype, and the memory layout is that of the weights, so
        that the first layer converts nothing.
        """
        device, layout = image.device.type, self._layout()
        if not torch.is_autocast_enabled(device):
            return ((image - self.mean) / self.std).contiguous(memory_format=layout)
        centred = torch.empty_like(image, dtype=self.mean.dtype, memory_format=layout)
        torch.sub(image, self.mean, out=centred)
        small = torch.empty_like(centred, dtype=torch.get_autocast_dtype(device))
        return torch.div(centred, self.std, out=small)

    def _layout(self) -> torch.memory_format:
        """Return the memory layout of the first convolution."""
        weight = next((p for p in self.parameters() if p.ndim == 4), None)
        is_last = weight is not None and not weight.is_contiguous()
        return torch.channels_last if is_last else torch.contiguous_format

    def encode(self, image: Tensor) -> tuple[Features, Tensor]:
        """uint8 RGB (..., 3, S, S) -> (features, embedding), both with the same leading axes."""
        leading = image.shape[:-3]
        features = self(self.normalise(image.flatten(0, -4)))
        embedding = self.embedding(features).unflatten(0, leading)
        return tuple(level.unflatten(0, leading) for level in features), embedding
