"""Half the width is torchvision's ResNet-18 with every number of channels halved."""

import torch
import torchvision

from handpose.backbones.resnet_half import HalfResNet


def test_every_tensor_of_the_stages_has_half_the_channels() -> None:
    own = HalfResNet(name="resnet18_half").network.state_dict()
    whole = torchvision.models.resnet18().state_dict()
    stages = [
        name for name in whole if name.startswith("layer") and name != "layer1.0.conv1.weight"
    ]
    for name in stages:
        channels = [n // 2 for n in whole[name].shape[:2]]
        assert list(own[name].shape) == [*channels, *whole[name].shape[2:]], name
    stem = {name for name in own if name.startswith(("conv1", "bn1"))}
    from_stem = {name for name in own if name.startswith("layer1.0.downsample")}
    assert own.keys() == {*stages, *stem, *from_stem, "layer1.0.conv1.weight"}


def test_features_and_embedding_are_what_it_says() -> None:
    backbone = HalfResNet(name="resnet18_half").eval()
    features, _ = backbone(torch.randn(2, 3, 64, 64))
    sides = [level.shape[-1] for level in features]
    assert sides == [64 // stride for stride in backbone.strides]
    assert tuple(level.shape[1] for level in features) == backbone.channels
    expected = backbone.network(torch.zeros(2, 3, 64, 64))  # timm's own way to the pooled features
    found = backbone(torch.zeros(2, 3, 64, 64))[1]
    assert torch.allclose(found, expected, atol=1e-6)
