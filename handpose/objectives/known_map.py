"""The known map between two views, as numbers that a network reads. N pairs of views."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from handpose.objectives.relative import relative_map
from handpose.records import ViewParams


class KnownMap(nn.Module):
    """The parameters of two views -> (N, width): each part of the map that takes view 1 to view 2.

    Rotation is its sine and cosine; the other parts are divided by their sampling range. Colours
    that grey or Sobel removed are 0, and a mask says which colours are known.

    Args:
        scales: Of each part, from `sampling_scales`.
        image_size: S in px.
    """

    scale: Tensor
    identity: Tensor
    is_mask: Tensor

    def __init__(self, scales: Mapping[str, list[float]], image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.names = tuple(scales)
        self.has_colour = "colour" in scales
        values = [value for scale in scales.values() for value in scale]
        self.register_buffer("scale", torch.tensor(values), persistent=False)
        zeros = {name: [0.0] * len(scale) for name, scale in scales.items()}
        if "rotation" in zeros:
            zeros["rotation"] = [0.0, 1.0]
        num_masks = len(scales["colour"]) if self.has_colour else 0
        numbers = [value for name in self.names for value in zeros[name]] + [0.0] * num_masks
        owners = [name for name, scale in scales.items() for _ in scale] + ["mask"] * num_masks
        self.register_buffer("identity", torch.tensor(numbers), persistent=False)
        for name in (*scales, "mask"):
            own = torch.tensor([owner == name for owner in owners])
            self.register_buffer(f"is_{name}", own, persistent=False)

    @property
    def width(self) -> int:
        """How many numbers describe a map."""
        return len(self.identity)

    def forward(self, params: ViewParams) -> Tensor:
        """Returns (N, width).

        Args:
            params: Of both views, each (N, 2, ...).
        """
        target = relative_map(params, self.image_size)
        values = torch.cat([getattr(target, name) for name in self.names], dim=1) / self.scale
        masks = [target.colour_valid.to(values.dtype)] if self.has_colour else []
        return torch.cat((values, *masks), dim=1)

    def exchanged(self, maps: Tensor, others: Tensor, name: str) -> Tensor:
        """Returns `maps` with one part of `others`; both (N, width).

        Args:
            name: Of the part.
        """
        return torch.where(self.get_buffer(f"is_{name}"), others, maps)

    def without_change(self, maps: Tensor) -> Tensor:
        """Returns identity maps (N, width) with the masks of `maps` (N, width)."""
        return torch.where(self.is_mask, maps, self.identity.to(maps.dtype))
