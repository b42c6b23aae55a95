"""Build a stage's optimizer and schedule: parameter groups, layer-wise decay, warm-up, cosine."""

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
    """Compute layer-wise learning rate factors: decay^(L - i) for layer i of L from the input.

    The head has factor 1 and the last layer `decay`, as in BEiT (arXiv 2106.08254) and MAE
    (arXiv 2111.06377). Only parameters of `backbone.network` are included.

    Args:
        backbone: lists its layers in `layers()`.
        decay: factor between two layers.

    Raises:
        ValueError: `backbone.layers()` omits or repeats a parameter; names it.
    """
    layers, factors = backbone.layers(), {}
    owners = [(f"{module}.", place) for place, names in enumerate(layers) for module in names]
    for name, parameter in backbone.network.named_parameters():
        places = [place for module, place in owners if f"{name}.".startswith(module)]
        if len(places) != 1:
            raise ValueError(
                f"{type(backbone).__name__}.layers() has the parameter {name} {len(places)} times; "
                "assign every parameter to exactly one layer"
            )
        factors[parameter] = decay ** (len(layers) - places[0])
    return factors


def parameter_groups(
    module: nn.Module, factors: Mapping[nn.Parameter, float] | None = None
) -> list[dict[str, Any]]:
    """Group trainable parameters by weight decay and learning rate factor, smallest first.

    Norm layers, biases and other parameters (learned log-variances) have no weight decay.

    Args:
        module: its trainable parameters are grouped.
        factors: learning rate factors where not 1, stored as "factor" of a group.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for child in module.modules():
        for name, parameter in child.named_parameters(recurse=False):
            if parameter.requires_grad:
                is_scale = isinstance(child, _NORMS) or parameter.ndim < 2  # norms of timm's own
                is_weight = name.startswith("weight") and not is_scale
                factor = (factors or {}).get(parameter, 1.0)
                groups.setdefault((factor, not is_weight), []).append(parameter)
    return [
        {"params": groups[factor, is_plain]}
        | ({"weight_decay": 0.0} if is_plain else {})
        | ({} if factor == 1.0 else {"factor": factor})
        for factor, is_plain in sorted(groups)
    ]


def warmup_cosine(step: int, *, warmup_steps: int, total_steps: int) -> float:
    """Compute the learning rate factor at a step: linear to 1, then a half cosine to 0.

    Args:
        step: counted from 0.
        warmup_steps: length of the linear warm-up.
        total_steps: the factor is 0 from this step on.
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
    """Build the return value of Lightning's `configure_optimizers`, with a schedule per step.

    Args:
        module: its trainable parameters are optimised.
        factory: function from parameter groups to an optimizer.
        warmup_steps: linear warm-up, at most half of `total_steps`.
        total_steps: optimizer steps of the stage.
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
