"""The interface of a backbone, and the normalisation of its input. N images, S their side in px."""

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handpose.records import Features

_log = logging.getLogger(__name__)

# Mean and standard deviation of ImageNet's RGB channels in 0..255, which most weights expect.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


def normalise(
    image: Tensor,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> Tensor:
    """Standardises images by the statistics of the channels.

    Args:
        image: (..., 3, S, S) uint8 RGB.
        mean: Of R, G and B in 0..255, as a weights file states it in its "meta".
        std: Standard deviation of R, G and B in 0..255.

    Returns:
        (..., 3, S, S) float32.
    """
    centre, spread = (
        torch.tensor(tuple(values), device=image.device)[:, None, None] for values in (mean, std)
    )
    return (image - centre) / spread


class Backbone(nn.Module, ABC):
    """Normalised image (B, 3, S, S) -> features, fine -> coarse, and one embedding.

    Args:
        mean: Of R, G and B in 0..255, which images are standardised by.
        std: Standard deviation of R, G and B in 0..255.

    Attributes:
        channels: Of each level: level i is (B, channels[i], S / strides[i], S / strides[i]).
        strides: Of each level, in px of the image.
        network: The library's model without its classifier. Its state dict has the library's own
            keys, so weights load strictly.
        decoder: State of the `TopDown` that an objective read latent keypoints through, if any; a
            head with a decoder can start from it.
        published: The value of `backbone.weights` that downloads weights; None without any.
        takes_image_sizes: Whether the constructor has the argument `image_sizes`: the sides in px
            of the images of the stages that run.
    """

    published: str | None = None
    takes_image_sizes = False

    network: Any
    decoder: Mapping[str, Tensor] | None = None
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: Tensor
    std: Tensor

    def __init__(
        self, *, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
    ) -> None:
        super().__init__()
        # Buffers lie on the device: a tensor of numbers would be copied there in every step.
        for name, values in (("mean", mean), ("std", std)):
            buffer = torch.tensor(tuple(map(float, values)))[:, None, None]
            self.register_buffer(name, buffer, persistent=False)

    @property
    def statistics(self) -> dict[str, list[float]]:
        """What images are standardised by: mean and std of R, G and B in 0..255."""
        return {name: getattr(self, name).flatten().tolist() for name in ("mean", "std")}

    def take_statistics(self, meta: Mapping[str, Any]) -> None:
        """Standardises images as the weights of a file expect; no-op for older files.

        Args:
            meta: "meta" of the file (see `handpose.weights.torch_file`).

        Raises:
            ValueError: They are not three finite numbers each, or a deviation is not above 0.
        """
        before = self.statistics
        for name in before.keys() & meta.keys():
            values = _three_numbers(meta[name])
            if values is None or (name == "std" and not all(value > 0 for value in values)):
                raise ValueError(f"the file of weights has {name}={meta[name]}; it is corrupt")
            getattr(self, name).copy_(torch.tensor(values)[:, None, None])
        if self.statistics != before:
            _log.info("images are standardised as in the file of weights: %s", self.statistics)

    def adapt(self, state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Returns weights of another project as this network names and shapes them.

        Args:
            state: Names and tensors of a file.

        Returns:
            The same, where nothing is known of other names and shapes, and what was changed, in
            words.
        """
        return state, []

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
        """E, width of the embedding."""

    @property
    def widths(self) -> dict[str, Any]:
        """What an objective or a head needs to know: channels, strides and embedding_dim."""
        return {name: getattr(self, name) for name in ("channels", "strides", "embedding_dim")}

    @abstractmethod
    def forward(self, image: Tensor) -> tuple[Features, Tensor]:
        """Returns the feature pyramid, and one vector per image: (B, embedding_dim)."""

    def normalise(self, image: Tensor) -> Tensor:
        """uint8 RGB (N, 3, S, S) -> float32, standardised by `mean` and `std`.

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
        features, embedding = self(self.normalise(image.flatten(0, -4)))
        levels = tuple(level.unflatten(0, leading) for level in features)
        return levels, embedding.unflatten(0, leading)


def _three_numbers(values: Any) -> list[float] | None:
    """Return a list of three finite numbers, or None for anything else."""
    if not isinstance(values, list) or len(values) != 3:
        return None
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return numbers if len(numbers) == 3 and all(map(math.isfinite, numbers)) else None
