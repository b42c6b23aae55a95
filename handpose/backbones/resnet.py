"""ResNet (He et al., CVPR 2016) from torchvision, as a feature pyramid of strides 4, 8, 16, 32."""

import torchvision
from torch import Tensor, nn

from handpose.backbones.base import Backbone
from handpose.records import Features
from handpose.weights.load import load_weights


class ResNetPyramid(Backbone):
    """The features of a `network` whose modules have torchvision's names."""

    strides = (4, 8, 16, 32)

    def layers(self) -> list[tuple[str, ...]]:
        """Returns the stem and the four stages."""
        return [("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",)]

    @property
    def embedding_dim(self) -> int:
        return self.channels[-1]

    def forward(self, image: Tensor) -> tuple[Features, Tensor]:
        """Pools the coarsest level, as torchvision's classifier does."""
        network = self.network
        level = network.maxpool(network.relu(network.bn1(network.conv1(image))))
        features = []
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
            level = stage(level)
            features.append(level)
        return tuple(features), level.mean((2, 3))


class ResNet(ResNetPyramid):
    """torchvision's ResNet without its classifier.

    Args:
        name: torchvision's name of the model, such as resnet18 or resnet152.
        weights: None, "imagenet" (downloads torchvision's IMAGENET1K_V1), or a path (see
            `load_weights`).
    """

    published = "imagenet"
    # fmt: off
    names = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
             "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2")
    # fmt: on

    def __init__(self, *, name: str = "resnet18", weights: str | None = None) -> None:
        super().__init__()
        self.network = torchvision.models.get_model(name, weights=None)
        width = self.network.fc.in_features
        self.network.fc = nn.Identity()
        self.channels = (width // 8, width // 4, width // 2, width)
        load_weights(self.network, weights, published={self.published: lambda: _imagenet(name)})


def _imagenet(name: str) -> dict[str, Tensor]:
    weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    return weights.get_state_dict(progress=True, check_hash=True)
