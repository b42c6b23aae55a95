"""Alignment of point sets: Procrustes, batched and masked. B sets of J points in 3D."""

from typing import NamedTuple

import torch
from torch import Tensor

LEAST_TO_ALIGN = 3  # points: a similarity moves any two onto any two


class Similarity(NamedTuple):
    """The map x -> scale * x @ rotation + shift."""

    scale: Tensor  # (B,)
    rotation: Tensor  # (B, 3, 3)
    shift: Tensor  # (B, 3)

    def apply(self, points: Tensor) -> Tensor:
        """Maps points (B, J, 3)."""
        with torch.autocast(points.device.type, enabled=False):
            moved = points.to(self.rotation.dtype) @ self.rotation
        return self.scale[:, None, None] * moved + self.shift[:, None]


def procrustes(
    source: Tensor, target: Tensor, valid: Tensor | None = None, *, reflection: bool = False
) -> Similarity:
    """Finds the similarity that takes `source` closest to `target` in the least-squares sense.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    PAMI 1991, eq. 39 to 42. Computed in float32 or better, outside autocast. The result is always
    finite: a degenerate source (all points equal) moves onto the target's mean with scale 0.

    Args:
        source: (B, J, 3).
        target: (B, J, 3), in any unit.
        valid: (B, J) bool, the joints that count; None for all.
        reflection: Allow an improper rotation, as FreiHAND's evaluation code does.
    """
    dtype = torch.promote_types(torch.promote_types(source.dtype, target.dtype), torch.float32)
    with torch.autocast(source.device.type, enabled=False):
        return _umeyama(source.to(dtype), target.to(dtype), valid, reflection)


def _umeyama(source: Tensor, target: Tensor, valid: Tensor | None, reflection: bool) -> Similarity:
    weight = source.new_ones(source.shape[:2]) if valid is None else valid.to(source.dtype)
    weight = (weight / weight.sum(1, keepdim=True).clamp(min=1))[..., None]
    # An unlabelled joint may hold anything: replace it before it is multiplied by zero.
    source, target = (torch.where(weight > 0, points, 0.0) for points in (source, target))
    mean_source, mean_target = (weight * source).sum(1), (weight * target).sum(1)
    a, b = source - mean_source[:, None], target - mean_target[:, None]

    u, singular, vt = torch.linalg.svd((weight * a).transpose(1, 2) @ b)
    if not reflection:
        sign = torch.ones_like(singular)
        sign[:, 2] = torch.where(torch.det(u @ vt) < 0, -1.0, 1.0)
        singular, u = singular * sign, u * sign[:, None]
    variance = (weight * a * a).sum((1, 2))
    scale = singular.sum(1) / variance.clamp(min=1e-12)
    rotation = u @ vt
    shift = mean_target - scale[:, None] * (mean_source[:, None] @ rotation)[:, 0]
    return Similarity(scale, rotation, shift)


def generalised_procrustes_mean(poses: Tensor, *, iterations: int = 10) -> Tensor:
    """Returns the mean shape (J, 3) of complete poses, all aligned to it by similarities.

    Gower, "Generalized Procrustes analysis", 1975. A root-centred mean would blur the fingers and
    make a weak baseline. The size is the mean size of the poses.

    Args:
        poses: (N, J, 3).
        iterations: Rounds of alignment.
    """
    centred = poses - poses.mean(1, keepdim=True)
    size = centred.norm(dim=(1, 2)).mean()
    mean = centred[0]
    for _ in range(iterations):
        aligned = procrustes(centred, mean.expand_as(centred)).apply(centred)
        mean = aligned.mean(0)
        mean = (mean - mean.mean(0)) * (size / mean.norm())
    return mean
