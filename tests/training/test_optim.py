"""Weight decay spares norms and biases by layer type; the schedule ends at 0 with its last step."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from handpose.training.optim import configure, parameter_groups, warmup_cosine


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
