"""Losses: tensors in, a scalar tensor out.

J = 21 joints, B batch, V = 2 views, D width, P dimensions of a pose. Of 2 B views the B first ones
come before the B second ones.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from handpose.distributed.collectives import total, world_size


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """The mean of `values` where `valid` (same shape); 0 with zero gradient where none is valid.

    Of W processes each gives W times its share of the mean over all their values, so that the mean
    over the processes, which DDP takes of gradients, is that mean.
    """
    share = torch.where(valid, values, 0.0).sum() * world_size()
    return share / total(valid.sum()).clamp(min=1)


# Bounds of a learned log-variance. An error of exp(-7), a thousandth of the range that its target
# is drawn from (0.05 of 45 degrees, 0.01 px of a crop), is finer than pixels can tell, so a larger
# weight has no reason. Without a bound a part that has no error takes over.
LOG_VARIANCE_BOUNDS = (-7.0, 7.0)


def weigh_by_variance(loss: Tensor, log_variance: Tensor) -> Tensor:
    """exp(-s) L + s, Kendall et al., CVPR 2018, eq. 10 for a Laplacian, with s kept in its bounds.

    Outside them the loss rises with the distance, so that the optimizer brings s back.

    Args:
        loss: () L, standardised: about 1 before training.
        log_variance: () s, learned.
    """
    bounded = log_variance.clamp(*LOG_VARIANCE_BOUNDS)
    return (-bounded).exp() * loss + bounded + (log_variance - bounded).abs()


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


class SimilarityWeights(NamedTuple):
    """Factors of the similarities in NT-Xent, 0 to 1."""

    positive: Tensor  # (B,)
    negative: Tensor  # (2 B, 2 B)


def nt_xent(
    projections: Tensor,
    identity: Tensor,
    *,
    temperature: float,
    weights: SimilarityWeights | None = None,
) -> Tensor:
    """NT-Xent, Chen et al., SimCLR, arXiv 2002.05709, eq. 1, as a cross-entropy.

    l(i, j) = -log( exp(sim(z_i, z_j) / T) / sum_{k != i} exp(sim(z_i, z_k) / T) ), sim the cosine,
    averaged over all 2 B views. The sum goes over `negatives` and j alone. With weights the
    similarity is w+_ij sim above the line and w-_ik sim below it, for k = j too (SiMHand, arXiv
    2502.15251; so in its authors' code).

    Args:
        projections: (B, 2, D), any scale; computed in float32 at least, outside autocast.
        identity: (B, 2) integers, equal for views of one and the same pose.
        temperature: T.
        weights: None for those of 1.
    """
    batch = projections.shape[0]
    with torch.autocast(projections.device.type, enabled=False):
        z = F.normalize(
            projections.to(torch.promote_types(projections.dtype, torch.float32)), dim=-1
        )
        z = z.transpose(0, 1).flatten(0, 1)  # (2 B, D)
        logits = z @ z.T / temperature
    view = torch.arange(2 * batch, device=z.device)
    partner = view.roll(batch)
    left_out = ~negatives(identity)
    left_out[view, partner] = False
    if weights is None:
        return F.cross_entropy(logits.masked_fill(left_out, -torch.inf), partner)
    positive = weights.positive.repeat(2) * logits[view, partner]
    others = (weights.negative * logits).masked_fill(left_out, -torch.inf)
    return (others.logsumexp(1) - positive).mean()


def negatives(identity: Tensor) -> Tensor:
    """Which views are each other's negatives: identity (B, 2) -> (2 B, 2 B) bool, symmetric.

    Not those of one identity, and, as a mined partner is of another one, not those of which one has
    the identity of the other's partner.
    """
    own = identity.T.flatten()
    of_partner = own.roll(len(identity))
    related = (own[:, None] == own) | (of_partner[:, None] == own)
    return ~(related | related.T)


def similarity_weights(pose: Tensor, valid: Tensor) -> SimilarityWeights:
    """SiMHand's adaptive weights (arXiv 2502.15251): w = (d_max - d) / (d_max - d_min).

    d is the distance between two poses, d_min and d_max those of the batch: over its B pairs for
    w+, over all pairs of its 2 B views, each with itself too, for w-. So the furthest of each have
    no weight. Where a pose is unknown, or all distances are equal, w is 1.

    Ours: d is between the poses as they were mined. The authors' code takes the mean distance of
    the joints in the two augmented views, into which what was drawn for the views enters.

    Args:
        pose: (B, 2, P).
        valid: (B, 2) bool.
    """
    poses, known = pose.transpose(0, 1).flatten(0, 1).float(), valid.T.flatten()
    distance = torch.linalg.vector_norm(pose[:, 0].float() - pose[:, 1].float(), dim=-1)
    with torch.autocast(pose.device.type, enabled=False):
        distances = torch.cdist(poses, poses, compute_mode="donot_use_mm_for_euclid_dist")
    return SimilarityWeights(
        positive=_closeness(distance, valid.all(1)),
        negative=_closeness(distances, known[:, None] & known),
    )


def _closeness(distance: Tensor, valid: Tensor) -> Tensor:
    """1 for the shortest of the valid distances, 0 for the longest, 1 where they are invalid."""
    low = distance.masked_fill(~valid, torch.inf).amin()
    high = distance.masked_fill(~valid, -torch.inf).amax()
    return torch.where(valid & (high > low), (high - distance) / (high - low), 1.0)
