"""Copies of buffers from before a step, restored without asking the device whether to."""

from collections.abc import Iterable

import torch
from torch import Tensor


class Snapshot:
    """A copy of tensors, in one flat tensor for each dtype: few kernels, however many they are.

    Args:
        tensors: changed in place only, such as BatchNorm's running statistics.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        groups: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for tensor in tensors:
            groups.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        self._groups = list(groups.values())
        self._before: list[Tensor] = []

    @torch.no_grad()
    def take(self) -> None:
        """Copy the tensors."""
        self._before = [_flat(group) for group in self._groups]

    @torch.no_grad()
    def restore(self, where: Tensor) -> None:
        """Restore the copies if `where` is true, exactly and even over NaN.

        Args:
            where: () bool, on the device of the tensors.
        """
        for group, before in zip(self._groups, self._before, strict=True):
            chosen = torch.where(where, before, _flat(group))
            parts = chosen.split([tensor.numel() for tensor in group])
            torch._foreach_copy_(group, [p.view_as(t) for p, t in zip(parts, group, strict=True)])


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
