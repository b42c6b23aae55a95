"""Several objectives at once, each on its own views: the paper's hybrid of contrastive and
relative (PMLR 148:255-271, section 3.3)."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.objectives.base import Inputs, Objective, weigh_by_variance


class Hybrid(nn.Module):
    """The weighted sum of the parts' losses.

    A given weight w contributes w L, a learned one exp(-s) L + s (see `weigh_by_variance`). A part
    that weighs its own terms so (`Objective.weighs_itself`) can be negative, and is added as it is.

    Args:
        parts: Objectives by name.
        weights: By the parts' names; None for a learned one, or for all learned.

    Raises:
        ValueError: The weights' names are not those of the parts.
    """

    def __init__(
        self,
        *,
        parts: Mapping[str, Objective],
        weights: Mapping[str, float | None] | None = None,
    ) -> None:
        super().__init__()
        weights = dict.fromkeys(parts) if weights is None else weights
        if set(parts) != set(weights):
            raise ValueError(
                f"objective.weights has {sorted(weights)} and objective.parts {sorted(parts)}: "
                "give each part a weight, or null for a learned one"
            )
        self.parts = nn.ModuleDict(parts)
        self.weights = {
            name: 1.0 if weight is None and parts[name].weighs_itself else weight
            for name, weight in weights.items()
        }
        self.log_variance = nn.ParameterDict(
            {
                name: nn.Parameter(torch.zeros(()))
                for name, weight in self.weights.items()
                if weight is None
            }
        )

    @property
    def objectives(self) -> dict[str, Objective]:
        """The parts by name."""
        return cast(dict[str, Objective], dict(self.parts.items()))

    @property
    def decoder(self) -> TopDown | None:
        """The decoder of the last part that has one."""
        decoders = [part.decoder for part in self.objectives.values()]
        return next((decoder for decoder in reversed(decoders) if decoder is not None), None)

    def forward(self, inputs: Mapping[str, Inputs]) -> dict[str, Tensor]:
        """Computes the sum and returns it with the parts' other terms.

        Args:
            inputs: By part, the arguments of `Objective.forward`.

        Returns:
            "loss" (), the parts' other terms, and "loss_<part>" of each if there are several.
        """
        losses: dict[str, Tensor] = {}
        terms: dict[str, Tensor] = {}
        for name, part in self.parts.items():
            result = part(*inputs[name])
            losses[name] = result.pop("loss")
            terms |= result
        total = torch.stack([self._weighted(name, loss) for name, loss in losses.items()]).sum()
        own = {f"loss_{name}": loss for name, loss in losses.items()} if len(losses) > 1 else {}
        return {"loss": total, **own, **terms}

    def _weighted(self, name: str, loss: Tensor) -> Tensor:
        weight = self.weights[name]
        if weight is not None:
            return weight * loss
        return weigh_by_variance(loss, self.log_variance[name])
