"""The denominators of NT-Xent in chunks of rows, recomputed in the backward pass.

Exact, in a fraction of the memory: similarities of all pairs are never in memory at once. As they
are symmetric, a chunk takes the columns from its own rows on: its rows' sums run along it, those of
later views across it. So every similarity is computed once in each pass.

M = 2 B views, D width. A chunk has R rows, and M - start columns.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from handpose.distributed import collectives
from handpose.objectives.pose_weights import NegativeWeights

# Chunks of a large batch: more need less memory, but more kernels.
NUM_CHUNKS = 16
# Rows of a chunk, of smaller batches: fewer would not fill a GPU.
LEAST_ROWS = 512
# Elements of a chunk on a CPU: 8 MB, which the allocator keeps for the next chunk.
CPU_ELEMENTS = 2**21


def chunks_of(num_rows: int, device: torch.device) -> list[slice]:
    """Divides rows into chunks, by their number and the kind of device alone.

    Args:
        num_rows: Rows and columns of the whole matrix.
        device: Of the matrix.
    """
    size = max(LEAST_ROWS, -(-num_rows // NUM_CHUNKS))
    if device.type == "cpu":
        size = max(1, min(size, CPU_ELEMENTS // num_rows))
    starts = range(0, num_rows, size)
    return [slice(start, min(start + size, num_rows)) for start in starts]


def own_chunks(chunks: list[slice]) -> list[slice]:
    """Returns this rank's chunks: to and fro over the ranks, since the first have more columns."""
    ranks, rank = collectives.world_size(), collectives.rank()
    turns = (place % (2 * ranks) for place in range(len(chunks)))
    owners = (turn if turn < ranks else 2 * ranks - 1 - turn for turn in turns)
    return [chunk for chunk, owner in zip(chunks, owners, strict=True) if owner == rank]


class Relations:
    """Which views are not each other's negatives: one has the identity of the other or its partner.

    Args:
        identity: (B, 2) integers.
    """

    def __init__(self, identity: Tensor) -> None:
        self.own = identity.T.flatten()
        self.of_partner = self.own.roll(len(identity))

    def chunk(self, rows: slice, columns: slice) -> Tensor:
        """Returns whether they are related, (R, C) bool."""
        own, partner = self.own[columns], self.of_partner[columns]
        related = self.own[rows, None] == own
        related |= self.of_partner[rows, None] == own
        related |= self.own[rows, None] == partner
        return related


class LogSumOfNegatives(torch.autograd.Function):
    """log sum_k exp(w_ik sim(z_i, z_k) / T) over the negatives k of each view i; -inf without any.

    Apply it to z (M, D) of unit length, T, `Relations`, `NegativeWeights` or None, the chunks of
    this rank, and whether ranks share the chunks. Then the result is that of all ranks' chunks, and
    the gradient W times that of this rank's chunks: as if each of W ranks had them all, once the
    gradients of the ranks are summed.
    """

    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        temperature: float,
        related: Relations,
        weights: NegativeWeights | None,
        chunks: list[slice],
        shared: bool,
    ) -> Tensor:
        ctx.chunk = (temperature, related, weights)
        ctx.chunks, ctx.factor = chunks, collectives.world_size() if shared else 1
        sums = z.new_full((len(z),), -torch.inf)
        for rows in chunks:
            logits, _ = _logits(z, rows, *ctx.chunk)
            later = logits[:, rows.stop - rows.start :]
            sums[rows] = torch.logaddexp(sums[rows], _log_sum(logits, 1))
            sums[rows.stop :] = torch.logaddexp(sums[rows.stop :], _log_sum(later, 0))
        if shared:
            sums = collectives.gather(sums[None]).logsumexp(0)
        ctx.save_for_backward(z, sums)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        z, sums = ctx.saved_tensors
        factor = gradients[0] * (ctx.factor / ctx.chunk[0])
        sums = _finite(sums)
        result = torch.zeros_like(z)
        with torch.autocast(z.device.type, enabled=False):
            for rows in ctx.chunks:
                others, later = slice(rows.start, None), slice(rows.stop, None)
                logits, weight = _logits(z, rows, *ctx.chunk)
                of_logits = (logits - sums[rows, None]).exp_().mul_(factor[rows, None])
                of_logits += logits.sub_(sums[others]).exp_().mul_(factor[others])
                if weight is not None:
                    of_logits *= weight
                result[rows].addmm_(of_logits, z[others])
                result[later].addmm_(of_logits[:, rows.stop - rows.start :].T, z[rows])
        return result, None, None, None, None, None


def _logits(
    z: Tensor,
    rows: slice,
    temperature: float,
    related: Relations,
    weights: NegativeWeights | None,
) -> tuple[Tensor, Tensor | None]:
    """Returns the logits (R, M - rows.start), -inf where not negatives, and their weights."""
    others = slice(rows.start, None)
    logits = (z[rows] / temperature) @ z[others].T
    weight = None
    if weights is not None:
        weight = weights.chunk(rows).to(z.dtype)
        logits *= weight
    return logits.masked_fill_(related.chunk(rows, others), -torch.inf), weight


def _log_sum(logits: Tensor, dim: int) -> Tensor:
    """As logsumexp, several times as fast on a CPU."""
    greatest = _finite(logits.amax(dim, keepdim=True))
    return (logits - greatest).exp_().sum(dim).log_() + greatest.squeeze(dim)


def _finite(values: Tensor) -> Tensor:
    """The lowest finite value for -inf, so that -inf minus it is -inf and not NaN."""
    return values.clamp(min=torch.finfo(values.dtype).min)
