"""NT-Xent and its negatives. B pairs, M = 2 B views, D width.

Of the M views the B first views come before the B second views.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from handpose.distributed import collectives
from handpose.objectives.nt_xent_chunks import (
    LogSumOfNegatives,
    Relations,
    chunks_of,
    own_chunks,
)
from handpose.objectives.pose_weights import (
    NegativeWeights,
    Poses,
    SimilarityWeights,
    positive_weights,
    similarity_weights,
)

# Views of a batch up to which the whole matrix of similarities is about as fast as its chunks.
MAX_WHOLE = 1024


def nt_xent(
    projections: Tensor,
    identity: Tensor,
    *,
    temperature: float,
    poses: Poses | None = None,
    shared: bool = False,
) -> Tensor:
    """NT-Xent, Chen et al., SimCLR, arXiv 2002.05709, eq. 1.

    l(i, j) = -log( exp(sim(z_i, z_j) / T) / sum_{k != i} exp(sim(z_i, z_k) / T) ), sim the cosine,
    averaged over all 2 B views. The sum is over `negatives` and j only. With poses the similarity
    is w+_ij sim above the line and w-_ik sim below it, for k = j too (SiMHand, arXiv 2502.15251,
    and its authors' code).

    Batches of up to `MAX_WHOLE` views take `whole_nt_xent`, larger ones `chunked_nt_xent`: equal
    but for rounding.

    Args:
        projections: (B, 2, D), any scale; computed in float32 or better, outside autocast.
        identity: (B, 2) integers, equal for views of the same pose.
        temperature: T.
        poses: Those of the views, for weights; None for weights of 1.
        shared: Whether all ranks have the same arguments and share the work. The gradients of
            `projections` must then be summed over ranks, as `collectives.gather` does; the sum is
            W times that of the loss.
    """
    if projections[:, :, 0].numel() > MAX_WHOLE:
        return chunked_nt_xent(
            projections, identity, temperature=temperature, poses=poses, shared=shared
        )
    weights = None if poses is None else similarity_weights(poses)
    return whole_nt_xent(projections, identity, temperature=temperature, weights=weights)


def whole_nt_xent(
    projections: Tensor,
    identity: Tensor,
    *,
    temperature: float,
    weights: SimilarityWeights | None = None,
) -> Tensor:
    """NT-Xent as a masked cross-entropy of the matrix of all similarities.

    Args:
        projections: (B, 2, D), see `nt_xent`.
        identity: (B, 2).
        temperature: T.
        weights: None for weights of 1.
    """
    batch = projections.shape[0]
    with torch.autocast(projections.device.type, enabled=False):
        z = _unit(projections)
        logits = z @ z.T / temperature
    view = torch.arange(2 * batch, device=z.device)
    partner = view.roll(batch)
    left_out = ~negatives(identity)
    left_out.scatter_(1, partner[:, None], False)
    if weights is None:
        return F.cross_entropy(logits.masked_fill(left_out, -torch.inf), partner)
    positive = weights.positive.repeat(2) * logits[view, partner]
    others = (weights.negative * logits).masked_fill(left_out, -torch.inf)
    return (others.logsumexp(1) - positive).mean()


def chunked_nt_xent(
    projections: Tensor,
    identity: Tensor,
    *,
    temperature: float,
    poses: Poses | None = None,
    shared: bool = False,
) -> Tensor:
    """NT-Xent in chunks of rows, which the backward pass computes again (see `nt_xent_chunks`).

    Args:
        projections: (B, 2, D), see `nt_xent`.
        identity: (B, 2).
        temperature: T.
        poses: Those of the views, for weights.
        shared: See `nt_xent`.
    """
    shared = shared and collectives.world_size() > 1
    with torch.autocast(projections.device.type, enabled=False):
        z = _unit(projections)
        chunks = chunks_of(len(z), z.device)
        chunks = own_chunks(chunks) if shared else chunks
        weights = None if poses is None else _negative_weights(poses, chunks, shared=shared)
        negative = LogSumOfNegatives.apply(
            z, temperature, Relations(identity), weights, chunks, shared
        )
        first, second = z.chunk(2)
        above = below = (first * second).sum(1) / temperature
        if poses is not None and weights is not None:
            above, below = above * positive_weights(poses), below * weights.of_pairs()
        return (torch.logaddexp(negative, below.repeat(2)) - above.repeat(2)).mean()


def _negative_weights(poses: Poses, chunks: list[slice], *, shared: bool) -> NegativeWeights:
    weights = NegativeWeights(poses)
    longest = weights.measure(chunks)
    weights.set_longest(collectives.gather(longest[None]).amax() if shared else longest)
    return weights


def _unit(projections: Tensor) -> Tensor:
    """Returns (M, D) of unit length, in float32 or better."""
    z = projections.to(torch.promote_types(projections.dtype, torch.float32))
    return F.normalize(z, dim=-1).transpose(0, 1).flatten(0, 1)


def negatives(identity: Tensor) -> Tensor:
    """Says which views are each other's negatives: identity (B, 2) -> (2 B, 2 B) bool, symmetric.

    Views of one identity are not. As a mined partner has another identity, neither are two views
    of which one has the identity of the other's partner.
    """
    everyone = slice(0, identity.numel())
    return ~Relations(identity).chunk(everyone, everyone)


def partner_top1(projections: Tensor, identity: Tensor) -> dict[str, Tensor]:
    """Measures how often a first view's nearest second view (cosine) is its own partner.

    The candidates of a view are its partner and those second views that are its `negatives`: fewer
    than the batch if identities repeat, and than evaluate.batch_size in a smaller last batch.
    Computed in chunks of views.

    Args:
        projections: (B, 2, D). Compared outside autocast: in 16 bits similarities tie.
        identity: (B, 2).

    Returns:
        "top1", () in 0..1, NaN if a projection is not finite, and "top1_chance", (): the value of a
        guess among as many candidates.
    """
    batch, related = len(projections), Relations(identity)
    view = torch.arange(batch, device=projections.device)
    found, chances = [], []
    with torch.autocast(projections.device.type, enabled=False):
        z = F.normalize(projections.float(), dim=-1)
        for rows in chunks_of(batch, z.device):
            left_out = related.chunk(rows, slice(batch, None))
            left_out.diagonal(rows.start).fill_(False)
            similarity = (z[rows, 0] @ z[:, 1].T).masked_fill_(left_out, -torch.inf)
            found.append(similarity.argmax(1) == view[rows])
            chances.append(1 / (~left_out).sum(1))
    share = torch.cat(found).float().mean()
    return {
        "top1": torch.where(z.isfinite().all(), share, torch.nan),
        "top1_chance": torch.cat(chances).mean(),
    }
