"""Several processes that train one model: rank r of W, each with a share of every batch.

DDP averages the ranks' gradients. So a rank's loss is right where the mean over ranks, of the loss
and of its gradient, is what one process gets of the whole batch. A plain mean over samples is so by
itself; what compares samples is gathered first (`gather`), and a mean over the labelled divides by
the count of all ranks (`total`).

With one process nothing is sent, and everything here returns what it is given.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")

# How long the others wait for what rank 0 does alone, such as an index of a million images. If it
# fails meanwhile, its connections close, which ends the wait.
_PATIENCE = timedelta(days=2)
# Over the CPU, whatever the gradients go over: NCCL gives up a wait within minutes.
_waiting: list[Any] = []


def world_size() -> int:
    """W, the number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def is_first() -> bool:
    """Whether this is the process that writes files and prints."""
    return rank() == 0


@contextmanager
def joined(*, rank: int, world_size: int, backend: str) -> Iterator[None]:
    """This process among the others, which MASTER_ADDR and MASTER_PORT let meet.

    Args:
        backend: over which gradients go, "gloo" or "nccl".
    """
    dist.init_process_group(backend, rank=rank, world_size=world_size)
    _waiting.append(dist.new_group(backend="gloo", timeout=_PATIENCE))
    try:
        yield
        dist.destroy_process_group()  # after an error it would wait for the others
    finally:
        _waiting.clear()


def decided(action: Callable[[], T]) -> T:
    """What `action` returns on rank 0, which alone does it; pickled for the others.

    Raises:
        SystemExit: on the other ranks, where it raises anything on rank 0; with its exit code, for
            whoever started them takes that of the first to leave.
    """
    if world_size() == 1:
        return action()
    outcome: list[Any] = [1]  # the exit code, where it failed
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
    """Until every rank is here."""
    if world_size() > 1:
        dist.barrier(group=_waiting[0])


def everyones(value: T) -> list[T]:
    """The `value` of each rank, by rank."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value, group=_waiting[0])
    return values


class _Gather(torch.autograd.Function):
    """Backward: what every rank's loss wants of this rank's rows, summed."""

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
    """(B, ...) of each rank -> (W B, ...), by rank, with gradient; B must be the same on all."""
    return _Gather.apply(tensor.contiguous()) if world_size() > 1 else tensor


def total(count: Tensor) -> Tensor:
    """The sum of `count` over the ranks, without gradient."""
    if world_size() == 1:
        return count
    count = count.detach().clone()
    dist.all_reduce(count)
    return count


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """The mean over all processes of valid values; 0 with zero gradient if none is valid.

    Each of W processes returns W times its share of that mean, so that the mean over the processes,
    which DDP takes of gradients, is that mean.

    Args:
        values: Of any shape.
        valid: bool, of the same shape.
    """
    share = torch.where(valid, values, 0.0).sum() * world_size()
    return share / total(valid.sum()).clamp(min=1)


def take_buffers_of_first(module: nn.Module) -> None:
    """BatchNorm's running statistics, which every rank has of its own batches, as on rank 0."""
    if world_size() > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, src=0)
