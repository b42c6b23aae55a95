"""Monitors of pre-training: means over an epoch, the online probe, embedding health.

B pairs, N crops, J = 21 joints, S px, E width.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from handpose.backbones.base import Backbone, normalise
from handpose.distributed import collectives
from handpose.evaluation.embedding_health import health
from handpose.evaluation.pose_errors import aligned_joint_errors
from handpose.evaluation.ridge import fit_ridge
from handpose.geometry.align import generalised_procrustes_mean, procrustes
from handpose.objectives.relative import relative_map
from handpose.records import Features, Target, Views


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
        sums = {name: collectives.total(pair) for name, pair in self._sums.items()}
        self._sums = {}
        return {name: pair[0] / pair[1] for name, pair in sums.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """The sums (W, 2) of each process, by all of them together.

        Not their total: added up in another order, they would be rounded otherwise.
        """
        return {name: collectives.gather(pair[None]) for name, pair in self._sums.items()}

    def load_state_dict(self, sums: dict[str, Tensor]) -> None:
        """Continues from this process's own."""
        self._sums = {name: pairs[collectives.rank()] for name, pairs in sums.items()}


_BATCH = 256


class OnlineProbe:
    """Watches pre-training with a few labels, and takes no part in it.

    Embeddings of plain crops -> poses, by a ridge regression in closed form whose penalty is chosen
    by leaving one training crop out. The error is measured after alignment, so the training poses
    are aligned too, to their Procrustes mean: else a regression that is unsure of the orientation
    predicts a blurred hand, and falls behind the constant. Nothing is random, and nothing of the
    backbone changes.

    Args:
        train: what the regression is fitted to, every joint labelled in 3D.
        val: what it is measured on, likewise.
        every_n_epochs: how often.
    """

    def __init__(self, *, train: Target, val: Target, every_n_epochs: int) -> None:
        self.train, self.val, self.every_n_epochs = train, val, every_n_epochs
        pose = train.xyz.double()
        mean = generalised_procrustes_mean(pose)
        self._pose = procrustes(pose, mean.expand_as(pose)).apply(pose).flatten(1)
        self.mean_pose_pa_epe_mm = _pa_epe_mm(mean.expand(len(val.xyz), -1, -1), val)

    def is_due(self, epoch: int, *, last: bool) -> bool:
        """Whether to measure after this epoch, counted from 0: every n-th, and the last."""
        return last or (epoch + 1) % self.every_n_epochs == 0

    def measure(self, backbone: Backbone) -> dict[str, float]:
        """The aligned error on `val` in mm, and that of the training hands' constant mean pose.

        The backbone must be in evaluation mode, or BatchNorm would take the probe's crops in.
        """
        assert not backbone.training, "the probe may not touch BatchNorm's statistics"
        seen, unseen = (_embed(backbone, target.image) for target in (self.train, self.val))
        error = math.nan  # of a network that has diverged
        if seen.isfinite().all() and unseen.isfinite().all():
            error = _pa_epe_mm(self._predict(seen, unseen), self.val)
        return {"probe_pa_epe_mm": error, "probe_mean_pose_pa_epe_mm": self.mean_pose_pa_epe_mm}

    def _predict(self, seen: Tensor, unseen: Tensor) -> Tensor:
        """Embeddings (N, E) of the training crops and (M, E) of others -> their poses (M, J, 3)."""
        mean = seen.mean(0)
        seen, unseen = seen - mean, unseen - mean
        ridge = fit_ridge(seen @ seen.T, self._pose)
        return (unseen @ (seen.T @ ridge.dual) + ridge.mean).unflatten(1, (-1, 3))


@torch.no_grad()
def _embed(backbone: Backbone, image: Tensor) -> Tensor:
    """uint8 crops (N, 3, S, S) -> (N, E) float64 on the CPU."""
    device = next(backbone.parameters()).device
    batches = (normalise(batch.to(device)) for batch in image.split(_BATCH))
    return torch.cat([backbone.embedding(backbone(batch)).cpu() for batch in batches]).double()


def _pa_epe_mm(pose: Tensor, target: Target) -> float:
    """The mean error of poses (N, J, 3) of any unit, each aligned to the truth by a similarity."""
    return float(1000 * aligned_joint_errors(pose, target.xyz.double(), target.xyz_valid).mean())


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
