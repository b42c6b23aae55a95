"""Optimizers: settings that are sound by themselves, and diverge together."""

from typing import Any

from omegaconf import DictConfig

from handpose.config.folders import stages
from handpose.config.rules import is_number
from handpose.config.values import found_value

_DECOUPLED = "torch.optim.AdamW"


def optimizer_problems(cfg: DictConfig, content: dict[str, Any]) -> list[str]:
    """A weight decay that takes away more than the whole weight in each step.

    AdamW's w <- (1 - lr * weight_decay) w turns the sign above 1 and diverges above 2.
    """
    problems = []
    for stage in stages(content):
        rate, decay = (found_value(cfg, f"{stage}.optimizer.{k}") for k in ("lr", "weight_decay"))
        is_decoupled = found_value(cfg, f"{stage}.optimizer._target_") == _DECOUPLED
        if is_decoupled and is_number(rate) and is_number(decay) and rate * decay > 1:
            problems.append(
                f"{stage}: optimizer.lr={rate:g} times optimizer.weight_decay={decay:g} is "
                f"{rate * decay:g}: each step takes away more than the whole weight, and training "
                "diverges; lower one of them (usual: 1e-3 and 0.01)"
            )
    return problems
