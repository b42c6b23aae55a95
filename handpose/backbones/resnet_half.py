"""ResNet of half the width, from timm: for small images, and for studies on a CPU."""

import timm

from handpose.backbones.resnet import ResNetPyramid
from handpose.weights.load import load_weights


class HalfResNet(ResNetPyramid):
    """timm's resnet18 or resnet34 with half as many channels and no classifier.

    He et al., CVPR 2016, table 1, with 32, 64, 128 and 256 channels in its stages: a quarter of the
    weights. The stem keeps its 64.

    Args:
        name: resnet18_half or resnet34_half.
        weights: None, or a path (see `load_weights`); there are no published weights.
    """

    names = ("resnet18_half", "resnet34_half")
    channels = (32, 64, 128, 256)

    def __init__(self, *, name: str = "resnet18_half", weights: str | None = None) -> None:
        super().__init__()
        self.network = timm.create_model(
            name.removesuffix("_half"), num_classes=0, channels=self.channels
        )
        self.network.relu = self.network.act1  # torchvision's name of it
        load_weights(self.network, weights)
