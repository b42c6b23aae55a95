"""Builds any first-order optimizer of timm by its name."""

from collections.abc import Iterable
from typing import Any

import torch
from timm.optim import create_optimizer_v2


class TimmOptimizer:
    """Function from parameter groups to an optimizer of timm.

    The groups keep their own weight decay and learning rate factor: timm makes none of its own.

    Args:
        opt: name in timm's registry, such as "lion"; "lookahead_NAME" adds Lookahead.
        lr: highest learning rate.
        momentum: for optimizers that have one.
        weight_decay: of groups without their own.
    """

    def __init__(
        self,
        *,
        opt: str = "lion",
        lr: float = 1e-4,
        momentum: float = 0.9,
        weight_decay: float = 0.01,
    ) -> None:
        self.opt = opt
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay

    def __call__(self, groups: Iterable[Any]) -> torch.optim.Optimizer:
        return create_optimizer_v2(
            list(groups),
            opt=self.opt,
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )
