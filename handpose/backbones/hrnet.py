"""HRNet (Wang et al., TPAMI 2020) from timm: its four branches, of strides 4, 8, 16, 32."""

import timm
import torch
from torch import Tensor

from handpose.backbones.base import Backbone
from handpose.records import Features
from handpose.weights.load import load_weights


class HRNet(Backbone):
    """timm's HRNet without its classification modules.

    Args:
        name: timm's name of the model, such as hrnet_w18, hrnet_w32 or hrnet_w48.
        weights: None, "imagenet" (downloads timm's default), or a path (see `load_weights`).
    """

    # fmt: off
    names = ("hrnet_w18_small", "hrnet_w18_small_v2", "hrnet_w18", "hrnet_w30", "hrnet_w32",
             "hrnet_w40", "hrnet_w44", "hrnet_w48", "hrnet_w64")
    # fmt: on
    strides = (4, 8, 16, 32)
    published = "imagenet"

    def __init__(self, *, name: str = "hrnet_w32", weights: str | None = None) -> None:
        super().__init__()
        self.network = timm.create_model(
            name, features_only=True, feature_location="", out_indices=(1, 2, 3, 4)
        )
        self.channels = tuple(self.network.feature_info.channels())
        load_weights(self.network, weights, published={self.published: lambda: _imagenet(name)})

    def layers(self) -> list[tuple[str, ...]]:
        """Returns the stem and the four stages, each with the transition that leads to it."""
        stages = [(f"transition{stage - 1}", f"stage{stage}") for stage in (2, 3, 4)]
        return [("conv1", "bn1", "conv2", "bn2"), ("layer1",), *stages]

    @property
    def embedding_dim(self) -> int:
        return sum(self.channels)

    def forward(self, image: Tensor) -> tuple[Features, Tensor]:
        """Pools and concatenates all branches, so that every weight gets a gradient."""
        features = tuple(self.network(image))
        return features, torch.cat([level.mean((2, 3)) for level in features], dim=1)


def _imagenet(name: str) -> dict[str, Tensor]:
    return timm.create_model(name, pretrained=True).state_dict()
