"""Compile backbone and head with torch.compile for the training steps of a stage."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn


@contextmanager
def compiled(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Compile `modules` in place during the block; names of weights stay the same.

    Training batches have one shape, for which the code is compiled. A smaller last batch compiles
    once more.

    Args:
        modules: such as the backbone; each is compiled as a whole.
    """
    for module in modules:
        module.compile(dynamic=False)
    try:
        yield
    finally:
        for module in modules:
            module._compiled_call_impl = None
        torch.compiler.set_stance("default")


class EagerValidation(pl.Callback):
    """Execute validation without compiled code, so that its batches of any size compile nothing."""

    def on_validation_start(self, *args: Any) -> None:
        torch.compiler.set_stance("force_eager")

    def on_validation_end(self, *args: Any) -> None:
        torch.compiler.set_stance("default")


def check_compiler(device: str) -> None:
    """Compile a small function, to find a missing compiler before any work is lost.

    Args:
        device: "cpu" or "cuda".

    Raises:
        ValueError: torch.compile fails on this machine; gives its reason.
    """
    weight = torch.ones(4, device=device, requires_grad=True)
    try:
        torch.compile(lambda x: (x.sin() + 1).sum(), dynamic=False)(weight).backward()
    except Exception as error:  # torch raises many kinds
        lines = [line.strip() for line in str(error).splitlines()]
        reasons = [line for line in lines if line and not line.endswith("raised:")]
        needed = "a C++ compiler such as g++, with Python's headers"
        needed += ", and Triton" if device == "cuda" else ""
        raise ValueError(
            f"trainer.compile=true: torch.compile fails here ({next(iter(reasons), repr(error))}). "
            f"It needs {needed}: install them, or set trainer.compile=false"
        ) from error
    finally:
        torch.compiler.reset()
