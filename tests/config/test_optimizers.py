"""A decay that diverges is refused before the run, by the bound that a step of AdamW has."""

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from handpose.config.catalogue import Catalogue
from handpose.config.checks.combinations import _weight_decay


def problems(target: str, lr: float, decay: float) -> list[str]:
    optimizer = {"_target_": target, "lr": lr, "weight_decay": decay}
    content = {"objective": {"_target_": None}, "head": {"_target_": "Head"}}
    content["finetune"] = {"optimizer": optimizer}
    return _weight_decay(OmegaConf.create(content), Catalogue())


def size_after(steps: int, lr: float, decay: float) -> float:
    """Of a weight of 1 without a gradient."""
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.AdamW([weight], lr=lr, weight_decay=decay)
    for _ in range(steps):
        weight.grad = torch.zeros(1)
        optimizer.step()
    return float(weight.detach().abs())


@pytest.mark.parametrize(("lr", "decay"), [(1e-3, 1e5), (10, 1), (100, 0.1)])
def test_what_diverges_is_refused(lr: float, decay: float) -> None:
    assert size_after(30, lr, decay) > 1e20
    assert "removes more than the whole weight" in problems("torch.optim.AdamW", lr, decay)[0]


@pytest.mark.parametrize(("lr", "decay"), [(1e-3, 0.01), (1, 0), (0.5, 1.9)])
def test_what_does_not_is_not(lr: float, decay: float) -> None:
    assert size_after(30, lr, decay) <= 1
    assert problems("torch.optim.AdamW", lr, decay) == []


def test_a_decay_that_is_part_of_the_gradient_is_another_matter() -> None:
    assert problems("torch.optim.Adam", 1e-3, 1e5) == []
