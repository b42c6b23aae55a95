"""The backbone that a run starts from, in the memory layout that the trainer asks for."""

import torch
from omegaconf import OmegaConf

from handpose.backbones.base import Backbone
from handpose.pipeline.parts import build_backbone


def _backbone(*, channels_last: bool) -> Backbone:
    torch.manual_seed(0)
    node = {"_target_": "handpose.backbones.resnet.ResNet", "name": "resnet18", "weights": None}
    cfg = {"backbone": node, "trainer": {"channels_last": channels_last}}
    return build_backbone(OmegaConf.create(cfg)).eval()


def test_channels_last_changes_the_layout_of_every_level_and_no_value() -> None:
    image = torch.rand(2, 3, 64, 64)
    plain, other = _backbone(channels_last=False), _backbone(channels_last=True)
    for level, moved in zip(plain(image)[0], other(image)[0], strict=True):
        assert level.is_contiguous()
        assert moved.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(level, moved, rtol=1e-4, atol=1e-5)
