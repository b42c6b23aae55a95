"""Count the FLOPs of a stage's network with a few samples, without a trace in the training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from handpose.training.run_log import num_images

_SAMPLES = 2


def trained_flops(stage: Any, batch: Any) -> float:
    """Return the FLOPs per image of a forward and a backward pass.

    They are those of the network as it is trained: without a backward pass through frozen layers,
    and without the second forward pass of gradient caching. The part of a loss that compares all
    samples of a batch with each other is counted for two samples.

    Args:
        stage: has `loss_of`; neither weights, gradients, buffers nor random state change.
        batch: of the stage, on its device.
    """
    few = _first(batch)
    trained = [p for p in stage.parameters() if p.requires_grad]
    with _undisturbed(stage), torch.enable_grad(), _counted() as counter:
        torch.autograd.grad(stage.loss_of(few), trained, allow_unused=True)
    return counter.get_total_flops() / num_images(few)


def predicted_flops(stage: Any, batch: Any) -> float:
    """Return the FLOPs per image of a forward pass.

    Args:
        stage: called with the batch.
        batch: as for training.
    """
    few = _first(batch)
    with _undisturbed(stage), torch.no_grad(), _counted() as counter:
        stage(few)
    return counter.get_total_flops() / num_images(few)


@contextmanager
def _counted() -> Iterator[FlopCounterMode]:
    """Counts products, those of attention included: its fused kernels are not known everywhere."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        yield counter


def _first(record: Any) -> Any:
    """Return the first samples of a batch."""
    if isinstance(record, Tensor):
        return record[:_SAMPLES]
    if isinstance(record, dict):
        return {name: _first(part) for name, part in record.items()}
    if isinstance(record, tuple) and hasattr(record, "_fields"):
        return type(record)(*map(_first, record))
    return record


@contextmanager
def _undisturbed(network: nn.Module) -> Iterator[None]:
    """Evaluation mode and no compilation during the block; random and training state as before."""
    modes = {module: module.training for module in network.modules()}
    devices = {p.device for p in network.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(list(devices)), torch.compiler.set_stance("force_eager"):
        try:
            for module in modes:
                module.training = False
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode
