"""Means over an epoch that a checkpoint in the middle of it takes along; Lightning's forget."""

import torch
from torch import Tensor

from handpose import ranks


class EpochMeans:
    """Weighted means of scalars, by their names, over all processes.

    A value that is not finite is left out, as the step is that it comes of.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}  # (2,): of the weighted values, and of the weights

    def add(self, values: dict[str, Tensor], *, weight: float) -> None:
        """One batch; `values` are ()."""
        for name, value in values.items():
            value = value.detach().float()
            known = value.isfinite()
            pair = torch.stack((torch.where(known, value, 0.0), known.float())) * weight
            before = self._sums.get(name)  # on the CPU, where a checkpoint brought it
            self._sums[name] = pair if before is None else before.to(pair.device) + pair

    def take(self) -> dict[str, Tensor]:
        """The means () so far, NaN without any value, and a new beginning."""
        sums = {name: ranks.total(pair) for name, pair in self._sums.items()}
        self._sums = {}
        return {name: pair[0] / pair[1] for name, pair in sums.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """The sums (W, 2) of each process, by all of them together.

        Not their total: added up in another order, they would be rounded otherwise.
        """
        return {name: ranks.gather(pair[None]) for name, pair in self._sums.items()}

    def load_state_dict(self, sums: dict[str, Tensor]) -> None:
        """Continues from this process's own."""
        self._sums = {name: pairs[ranks.rank()] for name, pairs in sums.items()}
