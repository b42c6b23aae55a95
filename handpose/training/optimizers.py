"""Optimizer and schedule of a stage: no decay on norms and biases; linear warm-up, then cosine.

Rates may fall with depth: the nearer to the input, the less is changed.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

from handpose.backbones.base import Backbone

OptimizerFactory = Callable[[Iterable[Any]], torch.optim.Optimizer]

_NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.modules.instancenorm._InstanceNorm,
)


def rate_factors(backbone: Backbone, decay: float) -> dict[nn.Parameter, float]:
    """Layer-wise decay of the learning rate: layer i of L, from the input up, has decay^(L - i).

    So the head above them has 1, the last layer `decay` and the stem the least, as in BEiT
    (arXiv 2106.08254) and MAE (arXiv 2111.06377). What is not of `backbone.network` is left out.

    Raises:
        ValueError: `backbone.layers()` leaves a parameter out, or has it twice; names it.
    """
    layers, factors = backbone.layers(), {}
    owners = [(f"{module}.", place) for place, names in enumerate(layers) for module in names]
    for name, parameter in backbone.network.named_parameters():
        places = [place for module, place in owners if f"{name}.".startswith(module)]
        if len(places) != 1:
            raise ValueError(
                f"{type(backbone).__name__}.layers() has the parameter {name} {len(places)} times; "
                "every parameter must be of one layer"
            )
        factors[parameter] = decay ** (len(layers) - places[0])
    return factors


def parameter_groups(
    module: nn.Module, factors: Mapping[nn.Parameter, float] | None = None
) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: with the optimizer's weight decay, and without.

    Without: everything of a norm layer, biases, and parameters of no layer (learned log-variances).

    Args:
        factors: on the learning rate, where it is not 1: each other one has two such groups of its
            own, with itself as their "factor". Smallest first.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for child in module.modules():
        for name, parameter in child.named_parameters(recurse=False):
            if parameter.requires_grad:
                is_weight = name.startswith("weight") and not isinstance(child, _NORMS)
                factor = (factors or {}).get(parameter, 1.0)
                groups.setdefault((factor, not is_weight), []).append(parameter)
    return [
        {"params": groups[factor, is_plain]}
        | ({"weight_decay": 0.0} if is_plain else {})
        | ({} if factor == 1.0 else {"factor": factor})
        for factor, is_plain in sorted(groups)
    ]


def warmup_cosine(step: int, *, warmup_steps: int, total_steps: int) -> float:
    """The factor on the learning rate at `step` (from 0): linear to 1, then half a cosine to 0.

    Reaches 0 just after the last step and stays there.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def configure(
    module: nn.Module,
    factory: OptimizerFactory,
    *,
    warmup_steps: int,
    total_steps: int,
    factors: Mapping[nn.Parameter, float] | None = None,
) -> dict[str, Any]:
    """What Lightning's `configure_optimizers` returns; the schedule moves at every step.

    Args:
        factors: see `parameter_groups`.
    """
    optimizer = factory(parameter_groups(module, factors))
    for group in optimizer.param_groups:
        group["lr"] *= group.pop("factor", 1.0)
    warmup_steps = min(warmup_steps, total_steps // 2)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: warmup_cosine(step, warmup_steps=warmup_steps, total_steps=total_steps),
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
