"""The names that the checks admit are those that each backbone builds."""

import pytest
import torch

from handpose.backbones.base import Backbone
from handpose.backbones.hrnet import HRNet
from handpose.backbones.resnet import ResNet
from handpose.backbones.resnet_half import HalfResNet
from handpose.config import check_command_line
from handpose.config.checks.safety import class_value
from handpose.config.schema import register

NAMED = [(kind, name) for kind in (ResNet, HRNet, HalfResNet) for name in kind.names]


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_every_name_builds_a_pyramid(kind: type[Backbone], name: str) -> None:
    with torch.device("meta"):
        backbone = kind(name=name)  # type: ignore[call-arg]
    assert len(backbone.channels) == len(backbone.strides) == 4
    assert name in class_value(f"{kind.__module__}.{kind.__name__}", "names")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["backbone.name=hrnet_w32"], "ResNet has resnet18, resnet34"),
        (["backbone.name=hrnet_w32"], "; choose backbone=hrnet_w32"),
        (["backbone.name=vit_base_patch16_224"], "wide_resnet101_2\n"),
        (["backbone.name=resnet5O"], "; did you mean resnet50"),
        (["backbone=hrnet_w18", "backbone.name=resnet50"], "HRNet has hrnet_w18_small"),
        (["backbone=resnet18_half", "backbone.name=resnet18"], "resnet18_half, resnet34_half"),
    ],
)
def test_a_model_of_another_library_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    register()
    with pytest.raises(SystemExit):
        check_command_line(arguments)
    assert said in capsys.readouterr().err


def test_models_of_the_same_library_pass() -> None:
    register()
    check_command_line(["backbone.name=wide_resnet50_2"])
    check_command_line(["backbone=hrnet_w18", "backbone.name=hrnet_w18_small"])


def test_a_class_attribute_with_a_type_is_read_too() -> None:
    assert class_value("handpose.objectives.relative.Relative", "fits_backbones") == ()
    assert class_value("handpose.objectives.relative.Relative", "weighs_itself") is True
