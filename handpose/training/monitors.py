"""Monitors of pre-training: means over an epoch, online probe, embedding health.

Shapes: B pairs, N crops, J = 21 joints, S pixels, E embedding width.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from handpose.backbones.base import Backbone
from handpose.distributed import collectives
from handpose.evaluation.embedding_health import health
from handpose.evaluation.pose_errors import aligned_joint_errors
from handpose.evaluation.ridge import fit_ridge
from handpose.geometry.align import generalised_procrustes_mean, procrustes
from handpose.objectives.base import Inputs
from handpose.objectives.relative import relative_map
from handpose.records import Target, Views


class EpochMeans:
    """Weighted means of named scalars over all processes, ignoring non-finite values.

    The sums of all names are one tensor on the device, so a batch costs few kernels.
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._sums: Tensor | None = None  # (N, 2): sum of weighted values, sum of weights

    def add(self, values: dict[str, Tensor], *, weight: float) -> None:
        """Add one batch.

        Args:
            values: scalars () by name.
            weight: of the batch, such as its size.
        """
        self._names = tuple(dict.fromkeys((*self._names, *values)))
        missing = torch.full_like(next(iter(values.values())), torch.nan)
        value = torch.stack([values.get(name, missing).detach().float() for name in self._names])
        known = value.isfinite()
        pairs = torch.stack((torch.where(known, value, 0.0), known.float()), dim=-1) * weight
        if self._sums is not None:  # on the CPU after a resume
            before = self._sums.to(pairs.device)
            rows = len(before)  # fewer if there are new names
            pairs = torch.cat((before + pairs[:rows], pairs[rows:]))
        self._sums = pairs

    def take(self) -> dict[str, Tensor]:
        """Return the means (), NaN without values, and reset."""
        if self._sums is None:
            return {}
        sums, names = collectives.total(self._sums), self._names
        self._names, self._sums = (), None
        return dict(zip(names, (sums[:, 0] / sums[:, 1]).unbind(), strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the sums (W, 2) of all W ranks; to be called on every rank.

        The total alone would round differently after a resume.
        """
        if self._sums is None:
            return {}
        columns = collectives.gather(self._sums[None]).unbind(1)
        return {name: pairs.clone() for name, pairs in zip(self._names, columns, strict=True)}

    def load_state_dict(self, sums: dict[str, Tensor]) -> None:
        """Restore the sums of this rank."""
        self._names = tuple(sums)
        rows = [pairs[collectives.rank()] for pairs in sums.values()]
        self._sums = torch.stack(rows) if rows else None


_BATCH = 256


class OnlineProbe:
    """Measure the backbone during pre-training with a few labels, without affecting training.

    A closed-form ridge regression predicts poses from embeddings of plain crops; leave-one-out
    chooses its penalty. The training poses are aligned to their Procrustes mean, since the error
    is measured after alignment. Otherwise unknown orientation would average to a blurred hand.
    The probe is deterministic and does not change the backbone.

    Args:
        train: crops to fit, every joint labelled in 3D.
        val: crops to evaluate, every joint labelled in 3D.
        every_n_epochs: epochs between two measurements.
    """

    def __init__(self, *, train: Target, val: Target, every_n_epochs: int) -> None:
        self.train, self.val, self.every_n_epochs = train, val, every_n_epochs
        pose = train.xyz.double()
        mean = generalised_procrustes_mean(pose)
        self._pose = procrustes(pose, mean.expand_as(pose)).apply(pose).flatten(1)
        self.mean_pose_pa_epe_mm = _pa_epe_mm(mean.expand(len(val.xyz), -1, -1), val)

    def is_due(self, epoch: int, *, last: bool) -> bool:
        """Return whether to measure after this epoch.

        Args:
            epoch: counted from 0.
            last: whether it is the last epoch.
        """
        return last or (epoch + 1) % self.every_n_epochs == 0

    def measure(self, backbone: Backbone) -> dict[str, float]:
        """Return the aligned errors of probe and training mean pose on `val`, in mm.

        The backbone must be in evaluation mode, to keep BatchNorm's statistics unchanged.
        """
        assert not backbone.training, "the probe must not change BatchNorm's statistics"
        seen, unseen = (_embed(backbone, target.image) for target in (self.train, self.val))
        error = math.nan  # of a network that has diverged
        if seen.isfinite().all() and unseen.isfinite().all():
            error = _pa_epe_mm(self._predict(seen, unseen), self.val)
        return {"probe_pa_epe_mm": error, "probe_mean_pose_pa_epe_mm": self.mean_pose_pa_epe_mm}

    def _predict(self, seen: Tensor, unseen: Tensor) -> Tensor:
        """Fit on training embeddings (N, E); predict poses (M, J, 3) of embeddings (M, E)."""
        mean = seen.mean(0)
        seen, unseen = seen - mean, unseen - mean
        ridge = fit_ridge(seen @ seen.T, self._pose)
        return (unseen @ (seen.T @ ridge.dual) + ridge.mean).unflatten(1, (-1, 3))


@torch.no_grad()
def _embed(backbone: Backbone, image: Tensor) -> Tensor:
    """Embed uint8 crops (N, 3, S, S); return (N, E) float64 on the CPU."""
    device = next(backbone.parameters()).device
    batches = (backbone.normalise(batch.to(device)) for batch in image.split(_BATCH))
    return torch.cat([backbone(batch)[1].cpu() for batch in batches]).double()


def _pa_epe_mm(pose: Tensor, target: Target) -> float:
    """Return the mean error of poses (N, J, 3) in any unit after similarity alignment."""
    return float(1000 * aligned_joint_errors(pose, target.xyz.double(), target.xyz_valid).mean())


# Limit of pairs per epoch, spread evenly over the batches: a larger SVD takes seconds.
MAX_PAIRS = 1024
_TURN = "equivariance_error"


class HealthPanel:
    """Collect embeddings of held-out pairs and compute their `health`.

    The first part of an objective counts. If its views do not rotate, the equivariance error is
    that of the first part whose views do.
    """

    def __init__(self) -> None:
        self._parts: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def add(self, inputs: Mapping[str, Inputs], *, num_batches: int) -> None:
        """Add a batch.

        Args:
            inputs: inputs of `Objective.forward` by part.
            num_batches: batches in the epoch.
        """
        for part, (_, embedding, views, *_) in inputs.items():
            share = min(len(embedding), max(1, MAX_PAIRS // num_batches))
            rows = torch.from_numpy(np.linspace(0, len(embedding) - 1, share).round().astype(int))
            kept = embedding.detach().cpu().float()[rows], _turn(views).cpu()[rows]
            self._parts.setdefault(part, []).append(kept)

    def compute(self) -> dict[str, float]:
        """Return the health of the added pairs and reset; an empty dict without pairs."""
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
    """Return sin and cos (B, 2) from first to second view; NaN for views of two samples."""
    rotation = relative_map(views.params, views.image.shape[-1]).rotation
    same = views.index[:, 0] == views.index[:, 1]
    return torch.where(same[:, None], rotation, torch.nan)
