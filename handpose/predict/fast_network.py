"""A pose model made faster for prediction. The results differ by rounding only."""

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from handpose.model import PoseModel
from handpose.records import Prediction

_LEAST = 4  # crops of a part of a batch
_TOLERANCE = 1e-2  # px of the crop: a thousand times the usual rounding


class FastNetwork:
    """Crops -> Prediction on the CPU, by a fast copy of a model.

    Args:
        model: in evaluation mode.
        image_size: side of the crops in px.
    """

    def __init__(self, model: PoseModel, image_size: int) -> None:
        self._model = fast_copy(model, image_size)
        self._workers: ThreadPoolExecutor | None = None
        self._num_workers = 1

    def use_all_cores(self) -> None:
        """Divides batches among threads instead of each operation: no thread waits for another.

        This sets torch's number of threads in the whole program.
        """
        cores = torch.get_num_threads()
        self._num_workers = min(cores, 4)
        torch.set_num_threads(cores // self._num_workers)
        self._workers = ThreadPoolExecutor(self._num_workers)

    def __call__(self, image: Tensor, K: Tensor) -> Prediction:
        """Predicts the pose; see `PoseModel.forward`."""
        image = image.to(memory_format=torch.channels_last)
        count = min(self._num_workers, max(1, len(image) // _LEAST))
        if self._workers is None or count == 1:
            return self._predict(image, K)
        parts = self._workers.map(self._predict, image.chunk(count), K.chunk(count))
        return Prediction(*map(torch.cat, zip(*parts, strict=True)))

    def _predict(self, image: Tensor, K: Tensor) -> Prediction:
        with torch.inference_mode():
            return Prediction(*(part.cpu() for part in self._model(image, K)))


def fast_copy(model: PoseModel, image_size: int) -> PoseModel:
    """Returns a copy with its BatchNorms folded into the convolutions, in channels-last memory.

    Args:
        model: in evaluation mode.
        image_size: side of the crops in px.
    """
    plain = copy.deepcopy(model).to(memory_format=torch.channels_last)
    device = next(model.parameters()).device
    noise = torch.Generator().manual_seed(0)
    shape = (1, 3, image_size, image_size)
    image = torch.randint(0, 256, shape, dtype=torch.uint8, generator=noise).to(device)
    K = torch.eye(3, device=device)[None]
    with torch.inference_mode():
        pairs = _pairs(plain, image, K)
        expected = plain(image, K).uvz
    with torch.no_grad():
        folded = _folded(copy.deepcopy(plain), pairs).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        is_same = torch.allclose(folded(image, K).uvz, expected, rtol=1e-3, atol=_TOLERANCE)
    return folded if is_same else plain  # a convolution that another module reads as well


def _pairs(model: PoseModel, image: Tensor, K: Tensor) -> list[tuple[str, str]]:
    """Returns the names of each convolution whose output a BatchNorm takes, and of that."""
    outputs: dict[int, tuple[str, Tensor]] = {}  # the tensors are kept, so no id comes twice
    pairs: list[tuple[str, str]] = []
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):

            def note(_: nn.Module, __: Any, output: Tensor, name: str = name) -> None:
                outputs[id(output)] = (name, output)

            hooks.append(module.register_forward_hook(note))
        elif isinstance(module, nn.BatchNorm2d):

            def pair(_: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
                if id(inputs[0]) in outputs:
                    pairs.append((outputs[id(inputs[0])][0], name))

            hooks.append(module.register_forward_pre_hook(pair))
    model(image, K)
    for hook in hooks:
        hook.remove()
    return pairs


def _folded(model: PoseModel, pairs: list[tuple[str, str]]) -> PoseModel:
    for convolution, norm in pairs:
        first, second = model.get_submodule(convolution), model.get_submodule(norm)
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.BatchNorm2d)
        model.set_submodule(convolution, fuse_conv_bn_eval(first, second))
        model.set_submodule(norm, nn.Identity())
    return model
