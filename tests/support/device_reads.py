"""Record what makes a program wait for its GPU, on a machine without one.

- `Reads` records the operations that need a value of the device: `.item()`, `bool(tensor)`,
  `nonzero`, an index by a mask, and copies between the devices. Lists of numbers that become a
  tensor are recorded as well, since they would be copied.
- `on_fake_gpu` puts a module or a batch on a GPU that torch only pretends (`FakeTensorMode`):
  shapes and devices without values. There a constant of the CPU is found too.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

_NEED_VALUES = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique")
_OF_LISTS = ("lift_fresh",)
_INDEXED = ("index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_")


class Reads(TorchDispatchMode):
    """Records in `found` each operation that would make the program wait."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        result = None
        try:
            result = func(*args, **kwargs)
            return result
        finally:
            if _reads(name, args, kwargs, result):
                self.found.append(name)


def _reads(name: str, args: tuple, kwargs: dict, result: Any) -> bool:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    if name.startswith(_NEED_VALUES):
        return True
    if name.startswith(_OF_LISTS):
        return tensors[0].ndim > 0  # a plain number is an argument of a kernel
    if name in _INDEXED:
        # An index or a value of the CPU is copied to the device, even a single number.
        indices = [index for index in args[1] if index is not None]
        return any(i.dtype == torch.bool for i in indices) or _are_mixed(tensors)
    made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
    moved = name in ("_to_copy", "copy_", "_foreach_copy_")
    return moved and _are_mixed(tensors + made)


def _are_mixed(tensors: Iterable[Tensor]) -> bool:
    return len({tensor.device.type for tensor in tensors}) > 1


def on_fake_gpu(value: Any) -> Any:
    """Return tensors of the same shapes on a pretended GPU; modules are changed in place.

    To be called within a `FakeTensorMode`.
    """
    if isinstance(value, nn.Module):
        for module in value.modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    fake = _fake(parameter)
                    module._parameters[name] = nn.Parameter(fake, parameter.requires_grad)
            for name, buffer in module._buffers.items():
                module._buffers[name] = None if buffer is None else _fake(buffer)
        return value
    return tree_map_only(Tensor, _fake, value)


def _fake(tensor: Tensor) -> Tensor:
    return torch.empty(tuple(tensor.shape), dtype=tensor.dtype, device="cuda")


def fake_gpu() -> FakeTensorMode:
    """Return the mode in which tensors have no values."""
    return FakeTensorMode()
