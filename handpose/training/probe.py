"""The online probe: how much of the pose a ridge regression reads from the frozen embedding.

N crops, J = 21 joints, S px, E width.
"""

import math

import torch
from torch import Tensor

from handpose.backbones.base import Backbone, normalise
from handpose.geometry.align import generalised_procrustes_mean, procrustes
from handpose.metrics import aligned_joint_errors
from handpose.records import Target
from handpose.ridge import fit_ridge

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
