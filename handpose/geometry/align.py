"""Alignment of point sets: Procrustes, batched and masked. B sets of J points in 3D."""

from typing import NamedTuple

import torch
from torch import Tensor

LEAST_TO_ALIGN = 3  # points: a similarity moves any two onto any two


class Similarity(NamedTuple):
    """x -> scale * x @ rotation + shift: scale (B,), rotation (B, 3, 3), shift (B, 3)."""

    scale: Tensor
    rotation: Tensor
    shift: Tensor

    def apply(self, points: Tensor) -> Tensor:
        """Maps points (B, J, 3)."""
        with torch.autocast(points.device.type, enabled=False):
            moved = points.to(self.rotation.dtype) @ self.rotation
        return self.scale[:, None, None] * moved + self.shift[:, None]


def procrustes(
    source: Tensor, target: Tensor, valid: Tensor | None = None, *, reflection: bool = False
) -> Similarity:
    """The similarity that takes `source` (B, J, 3) closest to `target` in the least-squares sense.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    PAMI 1991, eq. 39 to 42. Joints where `valid` (B, J) is False do not count. `reflection` lets
    the rotation be improper, as FreiHAND's evaluation code does. A degenerate source (all points
    one) is moved onto the target's mean with scale 0, so the result is always finite. Computed in
    float32 at least, outside autocast.
    """
    dtype = torch.promote_types(torch.promote_types(source.dtype, target.dtype), torch.float32)
    with torch.autocast(source.device.type, enabled=False):
        return _umeyama(source.to(dtype), target.to(dtype), valid, reflection)


def _umeyama(source: Tensor, target: Tensor, valid: Tensor | None, reflection: bool) -> Similarity:
    weight = source.new_ones(source.shape[:2]) if valid is None else valid.to(source.dtype)
    weight = (weight / weight.sum(1, keepdim=True).clamp(min=1))[..., None]
    # A joint without a label may hold anything: replace it before it is multiplied by zero.
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
    """The mean shape (J, 3) of complete poses (N, J, 3), all aligned to it by similarities.

    Gower, "Generalized Procrustes analysis", 1975. Root-centred means would blur the fingers and
    so flatter whatever is compared with them. The size is the mean size of the poses.
    """
    centred = poses - poses.mean(1, keepdim=True)
    size = centred.norm(dim=(1, 2)).mean()
    mean = centred[0]
    for _ in range(iterations):
        aligned = procrustes(centred, mean.expand_as(centred)).apply(centred)
        mean = aligned.mean(0)
        mean = (mean - mean.mean(0)) * (size / mean.norm())
    return mean
