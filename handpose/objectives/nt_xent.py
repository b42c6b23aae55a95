"""NT-Xent, its negatives and its weights. B pairs, V = 2 views, D width, P dimensions of a pose.

Of 2 B views the B first views come before the B second views.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


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
    averaged over all 2 B views. The sum is over `negatives` and j only. With weights the similarity
    is w+_ij sim above the line and w-_ik sim below it, for k = j too (SiMHand, arXiv 2502.15251,
    and its authors' code).

    Args:
        projections: (B, 2, D), any scale; computed in float32 or better, outside autocast.
        identity: (B, 2) integers, equal for views of the same pose.
        temperature: T.
        weights: None for weights of 1.
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
    """Says which views are each other's negatives: identity (B, 2) -> (2 B, 2 B) bool, symmetric.

    Views of one identity are not. As a mined partner has another identity, neither are two views
    of which one has the identity of the other's partner.
    """
    own = identity.T.flatten()
    of_partner = own.roll(len(identity))
    related = (own[:, None] == own) | (of_partner[:, None] == own)
    return ~(related | related.T)


def partner_top1(projections: Tensor, identity: Tensor) -> dict[str, Tensor]:
    """Measures how often a first view's nearest second view (cosine) is its own partner.

    The candidates of a view are its partner and those second views that are its `negatives`: fewer
    than the batch if identities repeat, and than evaluate.batch_size in a smaller last batch.

    Args:
        projections: (B, 2, D). Compared outside autocast: in 16 bits similarities tie.
        identity: (B, 2).

    Returns:
        "top1", () in 0..1, NaN if a projection is not finite, and "top1_chance", (): the value of a
        guess among as many candidates.
    """
    with torch.autocast(projections.device.type, enabled=False):
        z = F.normalize(projections.float(), dim=-1)
        similarity = z[:, 0] @ z[:, 1].T
    candidates = negatives(identity)[: len(z), len(z) :]
    candidates.fill_diagonal_(True)
    nearest = similarity.masked_fill(~candidates, -torch.inf).argmax(1)
    share = (nearest == torch.arange(len(z), device=z.device)).float().mean()
    return {
        "top1": torch.where(z.isfinite().all(), share, torch.nan),
        "top1_chance": (1 / candidates.sum(1)).mean(),
    }


def similarity_weights(pose: Tensor, valid: Tensor) -> SimilarityWeights:
    """SiMHand's adaptive weights (arXiv 2502.15251): w = (d_max - d) / (d_max - d_min).

    d is the distance between two poses, d_min and d_max those of the batch: over its B pairs for
    w+, over all pairs of its 2 B views, each with itself too, for w-. So the most distant have no
    weight. w is 1 if a pose is unknown or all distances are equal.

    Unlike the paper, d is between the poses as they were mined. The authors' code takes the mean
    distance of the joints in the two augmented views, which depends on the augmentation.

    Args:
        pose: (B, 2, P).
        valid: (B, 2) bool, whether the pose is known.
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
    """1 for the shortest valid distance, 0 for the longest, 1 for invalid ones."""
    low = distance.masked_fill(~valid, torch.inf).amin()
    high = distance.masked_fill(~valid, -torch.inf).amax()
    return torch.where(valid & (high > low), (high - distance) / (high - low), 1.0)
