"""Optimizer and schedule of a stage: no decay on norms and biases; linear warm-up, then cosine."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

OptimizerFactory = Callable[[Iterable[Any]], torch.optim.Optimizer]

_NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.modules.instancenorm._InstanceNorm,
)


def parameter_groups(module: nn.Module) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: with the optimizer's weight decay, and without.

    Without: everything of a norm layer, biases, and parameters of no layer (learned log-variances).
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for child in module.modules():
        for name, parameter in child.named_parameters(recurse=False):
            if parameter.requires_grad:
                is_weight = name.startswith("weight") and not isinstance(child, _NORMS)
                (decayed if is_weight else plain).append(parameter)
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def warmup_cosine(step: int, *, warmup_steps: int, total_steps: int) -> float:
    """The factor on the learning rate at `step` (from 0): linear to 1, then half a cosine to 0.

    Reaches 0 just after the last step and stays there.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def configure(
    module: nn.Module, factory: OptimizerFactory, *, warmup_steps: int, total_steps: int
) -> dict[str, Any]:
    """What Lightning's `configure_optimizers` returns; the schedule moves at every step."""
    optimizer = factory(parameter_groups(module))
    warmup_steps = min(warmup_steps, total_steps // 2)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: warmup_cosine(step, warmup_steps=warmup_steps, total_steps=total_steps),
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
