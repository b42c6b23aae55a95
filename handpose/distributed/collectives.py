"""Collectives for W ranks that train one model, each with a share of every batch.

DDP averages gradients over ranks. A loss must therefore average over ranks to the loss of the whole
batch. A plain mean over samples does. A loss that compares samples gathers them first (`gather`),
and a mean over valid values divides by the count of all ranks (`masked_mean`).

With one process, every function is a no-op that returns its input.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")

# Timeout for work of rank 0 alone, such as indexing a million images. If rank 0 fails, its
# connections close, which ends the wait.
_PATIENCE = timedelta(days=2)
# A gloo group for waiting: NCCL times out within minutes.
_waiting: list[Any] = []


def world_size() -> int:
    """Return W, the number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the rank of this process, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def is_first() -> bool:
    """Return whether this is rank 0, which writes files and prints."""
    return rank() == 0


@contextmanager
def joined(*, rank: int, world_size: int, backend: str) -> Iterator[None]:
    """Join the process group at MASTER_ADDR and MASTER_PORT during the block.

    Args:
        rank: of this process, from 0.
        world_size: number of processes.
        backend: for gradients, "gloo" or "nccl".
    """
    dist.init_process_group(backend, rank=rank, world_size=world_size)
    _waiting.append(dist.new_group(backend="gloo", timeout=_PATIENCE))
    try:
        yield
        dist.destroy_process_group()  # not after an error: it would wait for the others
    finally:
        _waiting.clear()


def decided(action: Callable[[], T]) -> T:
    """Execute `action` on rank 0 and return its pickled result on every rank.

    Raises:
        SystemExit: on the other ranks, if `action` raises on rank 0; with the exit code of rank 0.
    """
    if world_size() == 1:
        return action()
    outcome: list[Any] = [1]  # exit code after a failure
    if is_first():
        try:
            outcome = [(action(),)]
        except SystemExit as error:
            outcome = [error.code if isinstance(error.code, int) else 1]
            raise
        finally:
            dist.broadcast_object_list(outcome, src=0, group=_waiting[0])
    else:
        dist.broadcast_object_list(outcome, src=0, group=_waiting[0])
    if isinstance(outcome[0], int):
        raise SystemExit(outcome[0])
    return outcome[0][0]


def wait() -> None:
    """Wait for every rank."""
    if world_size() > 1:
        dist.barrier(group=_waiting[0])


def everyones(value: T) -> list[T]:
    """Return the `value` of every rank, in rank order."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value, group=_waiting[0])
    return values


class AnyRank:
    """Ask whether any rank says yes; the answer of several ranks comes one call later.

    Ranks do not wait for each other, and no device takes part. To be asked on every rank.
    """

    def __init__(self) -> None:
        self._asked: tuple[Tensor, Any] | None = None  # of the call before: votes, work

    def ask(self, value: bool) -> bool:
        """Return whether any rank said yes: now with one rank, at the last call with several."""
        if world_size() == 1:
            return value
        answer = False
        if self._asked is not None:
            votes, work = self._asked
            work.wait()
            answer = bool(votes)
        votes = torch.tensor(int(value))
        work = dist.all_reduce(votes, dist.ReduceOp.MAX, group=_waiting[0], async_op=True)
        self._asked = (votes, work)
        return answer


class _Gather(torch.autograd.Function):
    """All-gather whose backward sums the gradients of every rank for this rank's rows."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        parts = [torch.empty_like(tensor) for _ in range(world_size())]
        dist.all_gather(parts, tensor)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient.chunk(world_size())[rank()]


def gather(tensor: Tensor) -> Tensor:
    """Gather (B, ...) of each rank to (W B, ...), with gradient; B must be equal on all ranks."""
    return _Gather.apply(tensor.contiguous()) if world_size() > 1 else tensor


def total(count: Tensor) -> Tensor:
    """Return the sum of `count` over ranks, without gradient."""
    if world_size() == 1:
        return count
    count = count.detach().clone()
    dist.all_reduce(count)
    return count


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Compute this rank's share of the mean of valid values; 0 with zero gradient without any.

    Each of W ranks returns W times its share, so that DDP's average over ranks is the mean.

    Args:
        values: any shape.
        valid: bool, same shape.
    """
    share = torch.where(valid, values, 0.0).sum() * world_size()
    return share / total(valid.sum()).clamp(min=1)


def take_buffers_of_first(module: nn.Module) -> None:
    """Copy the buffers of rank 0, such as BatchNorm's running statistics, to every rank."""
    if world_size() > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, src=0)
