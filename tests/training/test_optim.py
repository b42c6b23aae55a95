"""Weight decay spares norms and biases by layer type; rates fall with depth; the schedule ends at 0
with its last step."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from timm.layers import RmsNorm
from torch import Tensor, nn

from handpose.backbones.base import Backbone
from handpose.backbones.hrnet import HRNet
from handpose.backbones.resnet import ResNet
from handpose.records import Features
from handpose.training.optimizers import configure, parameter_groups, rate_factors, warmup_cosine


class Chain(Backbone):
    """A backbone that says nothing of its layers: a parameter of its own, then three children."""

    channels, strides, embedding_dim = (2,), (1,), 2

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.BatchNorm2d(2), nn.ReLU())
        self.network.token = nn.Parameter(torch.zeros(2))
        self.network.last = nn.Conv2d(2, 2, 1)

    def forward(self, image: Tensor) -> tuple[Features, Tensor]:
        level = self.network(image)
        return (level,), level.mean((2, 3))


def test_only_weights_of_layers_that_are_no_norm_decay() -> None:
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)
            self.norm = nn.BatchNorm2d(4)
            self.group = nn.GroupNorm(2, 4)
            self.log_variance = nn.ParameterDict({"a": nn.Parameter(torch.zeros(()))})
            self.frozen = nn.Linear(2, 2).requires_grad_(False)

    module = Module()
    decayed, plain = parameter_groups(module)
    assert [id(p) for p in decayed["params"]] == [id(module.conv.weight)]
    assert plain["weight_decay"] == 0
    assert len(plain["params"]) == 6


def test_the_scale_of_a_norm_that_torch_does_not_know_has_no_decay() -> None:
    (group,) = parameter_groups(RmsNorm(4))
    assert group["weight_decay"] == 0


def test_warm_up_is_linear_and_the_cosine_ends_with_the_run() -> None:
    factors = [warmup_cosine(step, warmup_steps=4, total_steps=20) for step in range(25)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[12] == pytest.approx(0.5)
    assert factors[19] > 0
    assert factors[20:] == [0.0] * 5  # past its length it stays there, and does not rise again
    assert all(a >= b for a, b in pairwise(factors[3:]))


def test_the_optimizer_follows_the_schedule() -> None:
    module = nn.Linear(2, 2)
    made = configure(
        module, lambda groups: torch.optim.SGD(groups, lr=2.0), warmup_steps=2, total_steps=10
    )
    rates = []
    for _ in range(3):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates == [1.0, 2.0, 2.0]


def _powers(backbone: Backbone) -> dict[str, set[int]]:
    """The exponents of the decay 0.5, by the first part of the parameters' names."""
    factors = rate_factors(backbone, 0.5)
    found: dict[str, set[int]] = {}
    for name, parameter in backbone.network.named_parameters():
        found.setdefault(name.split(".")[0], set()).add(
            -int(torch.tensor(factors[parameter]).log2())
        )
    return found


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        (
            lambda: ResNet(name="resnet18"),
            {"conv1": 5, "bn1": 5, "layer1": 4, "layer2": 3, "layer3": 2, "layer4": 1},
        ),
        (
            lambda: HRNet(name="hrnet_w18"),
            {"conv1": 5, "bn1": 5, "conv2": 5, "bn2": 5, "layer1": 4, "transition1": 3, "stage2": 3}
            | {"transition2": 2, "stage3": 2, "transition3": 1, "stage4": 1},
        ),
        (Chain, {"token": 3, "0": 3, "2": 2, "last": 1}),
    ],
)
def test_rates_fall_with_depth(backbone: Any, expected: dict[str, int]) -> None:
    assert _powers(backbone()) == {name: {power} for name, power in expected.items()}


@pytest.mark.parametrize("layers", [[("0",), ("2",)], [("0", "token"), ("2",), ("last", "2")]])
def test_every_parameter_is_of_one_layer(layers: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chain, "layers", lambda self: layers)
    with pytest.raises(ValueError, match=r"Chain\.layers\(\) has the parameter .* [02] times"):
        rate_factors(Chain(), 0.5)


def _configured(module: nn.Module, factors: dict[nn.Parameter, float]) -> dict[str, Any]:
    return configure(
        module,
        lambda groups: torch.optim.AdamW(groups, lr=2.0, weight_decay=0.1),
        warmup_steps=2,
        total_steps=10,
        factors=factors,
    )


def test_each_group_has_its_rate_and_its_decay_of_weights() -> None:
    backbone = Chain()
    model = nn.ModuleDict({"backbone": backbone, "head": nn.Linear(2, 2)})
    made = _configured(model, rate_factors(backbone, 0.5))
    made["optimizer"].step()
    made["lr_scheduler"]["scheduler"].step()  # the end of the warm-up: the whole rate
    network, head = backbone.network, model["head"]
    expected = {
        network.token: (0.25, 0.0),
        network[0].weight: (0.25, 0.1),
        network[0].bias: (0.25, 0.0),
        network[2].weight: (0.5, 0.0),
        network[2].bias: (0.5, 0.0),
        network.last.weight: (1.0, 0.1),
        network.last.bias: (1.0, 0.0),
        head.weight: (2.0, 0.1),
        head.bias: (2.0, 0.0),
    }
    found = [
        (parameter, (group["lr"], group["weight_decay"]))
        for group in made["optimizer"].param_groups
        for parameter in group["params"]
    ]
    assert len(found) == len(expected)
    assert all(value == expected[parameter] for parameter, value in found)


def test_without_decay_the_groups_are_the_plain_ones() -> None:
    model = nn.ModuleDict({"backbone": Chain(), "head": nn.Linear(2, 2)})
    plain, factors = parameter_groups(model), rate_factors(model["backbone"], 1.0)
    same = parameter_groups(model, factors)
    assert [group.keys() for group in same] == [group.keys() for group in plain]
    assert len(same) == 2
    for one, other in zip(plain, same, strict=True):
        assert [id(p) for p in one["params"]] == [id(p) for p in other["params"]]
    state = _configured(model, factors)["optimizer"].state_dict()
    assert state["param_groups"] == _configured(model, {})["optimizer"].state_dict()["param_groups"]
