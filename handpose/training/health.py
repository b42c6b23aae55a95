"""The health of the representation over a validation epoch. B pairs, E width."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from handpose.objectives.relative_map import relative_map
from handpose.records import Features, Views
from handpose.representation import health

# Pairs of an epoch at most, evenly from its batches: an SVD of more would cost seconds.
MAX_PAIRS = 1024
_TURN = "equivariance_error"


class HealthPanel:
    """Collects the embeddings of held-out pairs, and makes the numbers of `health` of them.

    Of several parts of an objective the first, which is the one whose views the report shows; but
    where its views do not turn, the equivariance error is that of the first part whose views do.
    """

    def __init__(self) -> None:
        self._parts: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def add(
        self, inputs: Mapping[str, tuple[Features, Tensor, Views]], *, num_batches: int
    ) -> None:
        """A batch, one of `num_batches` of the epoch: by part, what `Objective.forward` takes."""
        for part, (_, embedding, views) in inputs.items():
            share = min(len(embedding), max(1, MAX_PAIRS // num_batches))
            rows = torch.from_numpy(np.linspace(0, len(embedding) - 1, share).round().astype(int))
            kept = embedding.detach().cpu().float()[rows], _turn(views).cpu()[rows]
            self._parts.setdefault(part, []).append(kept)

    def compute(self) -> dict[str, float]:
        """The numbers of what was added, and starts anew; nothing of nothing."""
        values: dict[str, float] = {}
        for batches in self._parts.values():
            embedding, rotation = map(torch.cat, zip(*batches, strict=True))
            if not values:
                values = health(embedding, rotation)
            elif math.isnan(values[_TURN]):
                values[_TURN] = health(embedding, rotation)[_TURN]
        self._parts = {}
        return values


def _turn(views: Views) -> Tensor:
    """sin and cos from the first view to the second (B, 2); NaN where they are of two samples."""
    rotation = relative_map(views.params, views.image.shape[-1]).rotation
    same = views.index[:, 0] == views.index[:, 1]
    return torch.where(same[:, None], rotation, torch.nan)
