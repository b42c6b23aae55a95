"""Confidence of joints before calibration, from what a head knows of its own error.

B batch, J = 21, S side of the crop in px. Neither way has parameters of its own, and no gradient
reaches the pose.
"""

import math

import torch
from torch import Tensor

from handpose.distributed.collectives import masked_mean
from handpose.geometry.bins import bin_centres, pixel_span

NO_CONFIDENCE = "the head gives none: it has no scale, as models from before confidences"
NEAR_CELLS = 2.0  # radius about the predicted joint, in cells of the heatmap
NEAR_SIDES = 0.05  # error of u and of v that counts as near, in crop sides
# Log of the scale before training, and its largest change. Keeps the likelihood finite.
_START, _REACH = math.log(0.05), 6.0
# Adaptive optimizers divide by the gradient's size, so this only keeps the scale's gradient small
# in norms over all parameters.
_WEIGHT = 1e-3


def mass_near(heatmap: Tensor, uv: Tensor, image_size: int) -> Tensor:
    """Returns the probability mass within `NEAR_CELLS` of the predicted joints, (B, J) in 0..1.

    Args:
        heatmap: (B, J, h, w), each summing to 1.
        uv: (B, J, 2) px of the crop.
        image_size: S.
    """
    heatmap, uv = heatmap.detach(), uv.detach()
    height, width = heatmap.shape[-2:]
    u = (uv[..., 0] + 0.5) * (width / image_size) - 0.5
    v = (uv[..., 1] + 0.5) * (height / image_size) - 0.5
    across = (torch.arange(width, device=uv.device) - u[..., None]).square()
    down = (torch.arange(height, device=uv.device) - v[..., None]).square()
    is_near = down[..., :, None] + across[..., None, :] <= NEAR_CELLS**2
    return (heatmap * is_near).sum((2, 3)).clamp(0, 1)


def bins_near(u: Tensor, v: Tensor, uv: Tensor, image_size: int) -> Tensor:
    """Returns the probability that both errors are below `NEAR_SIDES`, (B, J) in 0..1.

    u and v count as independent.

    Args:
        u: Log-probabilities of the bins of u, (B, J, N).
        v: Of v, (B, J, N).
        uv: (B, J, 2) px of the crop, the predicted joints.
        image_size: S.
    """
    masses = []
    for log_bins, place in zip((u, v), uv.detach().unbind(-1), strict=True):
        centres = bin_centres(pixel_span(image_size), log_bins.shape[-1], uv.device)
        is_near = (centres - place[..., None]).abs() <= NEAR_SIDES * image_size
        masses.append((log_bins.detach().exp() * is_near).sum(-1))
    return (masses[0] * masses[1]).clamp(0, 1)


def bounded_log_scale(output: Tensor) -> Tensor:
    """Returns the log of a Laplace scale in crop sides, in a range about that of a fair error.

    Args:
        output: (B, J) of a linear layer; 0 before training.
    """
    return _START + _REACH * torch.tanh(output / _REACH)


def likely_near(log_scale: Tensor) -> Tensor:
    """Returns the probability of an error below `NEAR_SIDES` under a Laplace density, (B, J).

    Args:
        log_scale: (B, J), scale in crop sides.
    """
    return -torch.expm1(-NEAR_SIDES * torch.exp(-log_scale.detach()))


def scale_loss(log_scale: Tensor, error: Tensor, valid: Tensor) -> Tensor:
    """Negative log-likelihood of the errors under the Laplace densities, up to a constant.

    -log p(e) = log b + |e| / b, the mean over u and v (Kendall and Gal, NeurIPS 2017, arXiv
    1703.04977, with L1). The errors get no gradient.

    Args:
        log_scale: (B, J) log b, crop sides.
        error: (B, J) mean of the absolute errors of u and v, crop sides.
        valid: (B, J) bool, the labelled joints.
    """
    error = torch.where(valid, error.detach(), 0.0)  # an unlabelled joint's may be NaN
    surprise = log_scale + error * torch.exp(-log_scale)
    return _WEIGHT * masked_mean(surprise, valid)
