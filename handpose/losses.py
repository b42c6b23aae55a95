"""Losses: tensors in, a scalar tensor out. J = 21 joints, B batch, V = 2 views, D width."""

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """The mean of `values` where `valid` (same shape); 0 with zero gradient where none is valid."""
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp(min=1)


def pose_25d_loss(
    predicted: Tensor, true: Tensor, uv_valid: Tensor, z_valid: Tensor, *, image_size: int
) -> tuple[Tensor, Tensor]:
    """L1 of the 2.5D pose over labelled joints: (u and v in crop sides, z in reference bones).

    Args:
        predicted, true: (B, J, 3) uvz in px of the crop and reference bones.
        uv_valid, z_valid: (B, J) bool.
    """
    error = (predicted - true).abs()
    uv = masked_mean(error[..., :2].mean(-1) / image_size, uv_valid)
    return uv, masked_mean(error[..., 2], z_valid)


def nt_xent(projections: Tensor, identity: Tensor, *, temperature: float) -> Tensor:
    """NT-Xent, Chen et al., SimCLR, arXiv 2002.05709, eq. 1, as a cross-entropy.

    l(i, j) = -log( exp(sim(z_i, z_j) / T) / sum_{k != i} exp(sim(z_i, z_k) / T) ), sim the cosine,
    averaged over all 2 B views. Samples of one identity are not each other's negatives.

    Args:
        projections: (B, 2, D), any scale; computed in float32 at least, outside autocast.
        identity: (B,) integers, equal for samples of one and the same pose.
    """
    batch = projections.shape[0]
    with torch.autocast(projections.device.type, enabled=False):
        z = F.normalize(
            projections.to(torch.promote_types(projections.dtype, torch.float32)), dim=-1
        )
        z = z.transpose(0, 1).flatten(0, 1)  # (2 B, D): first views, then second views
        logits = z @ z.T / temperature
    partner = torch.arange(2 * batch, device=z.device).roll(batch)
    same = identity.repeat(2)[:, None] == identity.repeat(2)[None]
    same[torch.arange(2 * batch), partner] = False
    return F.cross_entropy(logits.masked_fill(same, -torch.inf), partner)
