"""Several objectives at once, each on views of its own: the paper's hybrid of contrastive and
relative (PMLR 148:255-271, section 3.3)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.losses import weigh_by_variance
from handpose.objectives.base import Objective
from handpose.records import Features, Views


class Hybrid(nn.Module):
    """The weighted sum of the parts' losses.

    A given weight w contributes w L. A learned one contributes exp(-s) L + s (see
    `weigh_by_variance`), but for a part that weighs its own terms so already
    (`Objective.weighs_itself`): its loss can be negative, and enters as it is.

    Args:
        parts: objectives by name.
        weights: by the parts' names; null for a learned one.

    Raises:
        ValueError: the weights are not those of the parts.
    """

    def __init__(
        self, *, parts: Mapping[str, Objective], weights: Mapping[str, float | None]
    ) -> None:
        super().__init__()
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

    def reads_features(self, name: str) -> bool:
        """Whether this part reads more than the embedding."""
        return self.parts[name].reads_features  # type: ignore[return-value]

    @property
    def decoder(self) -> TopDown | None:
        """That of the last part that has one."""
        parts: list[Any] = list(self.parts.values())
        return next((part.decoder for part in reversed(parts) if part.decoder is not None), None)

    def forward(self, inputs: Mapping[str, tuple[Features, Tensor, Views]]) -> dict[str, Tensor]:
        """By part, what `Objective.forward` takes -> {"loss", and the parts' other terms}.

        Of several parts each part's own loss is there too, as "loss_<part>".
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
