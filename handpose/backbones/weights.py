"""Where a backbone starts: random, ImageNet, or a file."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

# What library models hold beyond the backbone: classifiers, and HRNet's classification modules.
_CLASSIFIERS = ("fc.", "classifier.", "incre_modules.", "downsamp_modules.", "final_layer.")


def load_weights(
    network: nn.Module, weights: str | None, *, imagenet: Callable[[], dict[str, Tensor]]
) -> None:
    """Loads `weights` into `network` in place.

    Args:
        weights: None leaves the random start; "imagenet" calls `imagenet`; else the path of our
            `backbone.pt` or of a state dict with torchvision's or timm's names. A classifier in it
            is dropped; every other name must match.

    Raises:
        ValueError: the weights cannot be fetched or read, or do not fit; says what to do.
    """
    if weights is None:
        return
    state = _fetch(imagenet) if weights == "imagenet" else _read(Path(weights))
    state = {name: value for name, value in state.items() if not name.startswith(_CLASSIFIERS)}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(
            f"backbone.weights={weights} does not fit this backbone: {error}\n"
            "Choose the backbone that the weights were made with."
        ) from None


def _fetch(imagenet: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    try:
        return imagenet()
    except Exception as error:  # the libraries raise URLError, OSError, hub errors and more
        raise ValueError(
            f"backbone.weights=imagenet could not be fetched ({type(error).__name__}: {error}).\n"
            "Without a network, copy the file from a machine that has it into "
            f"{torch.hub.get_dir()}/checkpoints (ResNet) or the Hugging Face cache (HRNet), give a "
            "local file as backbone.weights=PATH, or start from random weights with "
            "backbone.weights=null."
        ) from error


def _read(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # a missing, cut or foreign file, or one that holds more than weights
        raise ValueError(
            f"backbone.weights={path} is no file of weights ({type(error).__name__}: {error}).\n"
            "Give a backbone.pt of an earlier run, or a file with a plain state dict."
        ) from error
    return content.get("state_dict", content)
