"""A loader that copies each batch to a GPU while the GPU computes the step before."""

from collections.abc import Iterator
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torch.utils.data import DataLoader


class DeviceLoader(DataLoader):
    """A loader whose batches arrive on a GPU.

    Args:
        *args: of `DataLoader`.
        device: the GPU.
        **options: of `DataLoader`.
    """

    def __init__(self, *args: Any, device: torch.device, **options: Any) -> None:
        super().__init__(*args, **options)
        self.device = device

    def __iter__(self) -> Any:
        return _copied_ahead(super().__iter__(), self.device)


def _copied_ahead(batches: Iterator[Any], device: torch.device) -> Iterator[Any]:
    """Yield batches on a GPU; the copy of the next one begins before a batch is used.

    The copies have a stream of their own. The allocator must know that the stream of the step uses
    their memory too, or it would give that away too early.
    """
    copies = torch.cuda.Stream(device)

    def begin() -> Any:
        batch = next(batches, None)
        with torch.cuda.stream(copies):
            return apply_to_collection(
                batch, Tensor, lambda column: column.to(device, non_blocking=True)
            )

    ahead = begin()
    while ahead is not None:
        step = torch.cuda.current_stream(device)
        step.wait_stream(copies)
        apply_to_collection(ahead, Tensor, lambda column: column.record_stream(step))  # noqa: B023
        batch, ahead = ahead, begin()
        yield batch
