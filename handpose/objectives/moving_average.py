"""Slowly moving averages of modules, without gradient: teachers and averaged weights."""

import math
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

_BATCH_NORM = nn.modules.batchnorm._BatchNorm


class MovingAverage(nn.Module):
    """A copy of a module whose weights follow those of the module.

    It starts equal to the module. Its parameters have no gradient. Dropout and drop path are off.

    Args:
        student: copied.
        batch_statistics: whether BatchNorm uses the statistics of the teacher's own batch in
            training, as in BYOL's code. Otherwise the teacher is always in evaluation mode, and its
            running statistics are moving averages too.

    Attributes:
        network: the copy.
    """

    network: Any

    def __init__(self, student: nn.Module, *, batch_statistics: bool = True) -> None:
        super().__init__()
        self.batch_statistics = batch_statistics
        self.network = deepcopy(student).requires_grad_(False)
        self.train(student.training)  # Lightning keeps the mode that a module comes in

    def train(self, mode: bool = True) -> "MovingAverage":
        """Switch BatchNorm only, and only if it uses the statistics of its batch."""
        super().train(False)
        self.training = mode
        for module in self.network.modules():
            if isinstance(module, _BATCH_NORM):
                module.training = mode and self.batch_statistics
        return self

    @torch.no_grad()
    def update(self, student: nn.Module, momentum: Tensor) -> None:
        """Compute teacher <- m teacher + (1 - m) student.

        Args:
            student: the module that was copied.
            momentum: m, () in 0..1. At 1 the teacher keeps its bits.
        """
        own, new = list(self._averaged(self.network)), list(self._averaged(student))
        steps = torch._foreach_sub(new, own)
        torch._foreach_mul_(steps, 1 - momentum)
        torch._foreach_add_(own, steps)

    def _averaged(self, module: nn.Module) -> Iterator[Tensor]:
        yield from module.parameters()
        if not self.batch_statistics:
            yield from (buffer for buffer in module.buffers() if buffer.is_floating_point())


def momentum_at(step: int, *, start: float, total_steps: int) -> float:
    """Compute the momentum of a teacher: 1 - (1 - start) (cos(pi step / total_steps) + 1) / 2.

    It rises from `start` to 1 (Grill et al., BYOL, arXiv 2006.07733, section 3.3).

    Args:
        step: optimizer steps before this one.
        start: momentum at step 0.
        total_steps: optimizer steps of the stage.
    """
    progress = min(1.0, step / max(1, total_steps))
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2


def decay_at(step: int, *, limit: float) -> float:
    """Compute the decay of averaged weights: min(limit, (1 + step) / (10 + step)).

    The average of a short run would otherwise consist of the start: 0.999^500 = 0.6. So the average
    is over about the last tenth of the steps, until the limit is reached (at step 8990 for 0.999).

    Args:
        step: optimizer steps before this one.
        limit: decay after the warm-up.
    """
    return min(limit, (1 + step) / (10 + step))
