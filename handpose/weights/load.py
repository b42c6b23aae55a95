"""Where a backbone starts: random, ImageNet, or a file.

Why weights do not fit a network, in words.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from handpose.weights.foreign import MMPOSE, Translation, translate
from handpose.weights.read import read_state_dict

IMAGENET = "imagenet"  # as a value of backbone.weights

_log = logging.getLogger(__name__)

# Files older than PyTorch 0.4.1 lack it; BatchNorm reads it only where momentum is None.
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class Report:
    """What of a state dict went into a backbone.

    Attributes:
        translation: its names and what was left out.
        matched: how many tensors of the backbone came from it.
        uncounted: how many counters of batches it lacked.
    """

    translation: Translation
    matched: int
    uncounted: int

    def lines(self) -> list[str]:
        """The report, for people."""
        example, dropped = self.translation.example, self.translation.dropped
        renamed = f"renamed as {example[0]} -> {example[1]}" if example else "none renamed"
        modules = [f"{module} ({count})" for module, count in dropped.items()]
        lines = [
            f"recognised as {self.translation.naming}",
            f"matched {self.matched} tensors, {renamed}",
            f"dropped {sum(dropped.values())}: {', '.join(modules)}" if dropped else "dropped none",
        ]
        if self.uncounted:
            lines.append(f"lacks {self.uncounted} {_COUNTER[1:]}, as old files do: they stay 0")
        if self.translation.naming.startswith(MMPOSE) and "transition1" in self.modules:
            lines.append(
                "some HRNets of mmpose upsample between branches bilinearly, timm's by the nearest "
                "pixel: with such a file a start to train from, not the same features"
            )
        return lines

    @property
    def modules(self) -> set[str]:
        """First parts of the backbone's names."""
        return {name.split(".")[0] for name in self.translation.state}


def load_weights(
    network: nn.Module, weights: str | None, *, imagenet: Callable[[], dict[str, Tensor]]
) -> None:
    """Loads `weights` into `network` in place, and logs what matched.

    Args:
        weights: None leaves the random start; "imagenet" calls `imagenet`; else a path, as for
            `load_file`.

    Raises:
        ValueError: the weights cannot be fetched or read, or do not fit; says what to do.
    """
    if weights is None:
        return
    try:
        state = _fetch(imagenet) if weights == IMAGENET else read_state_dict(Path(weights))
        report = fill(network, state, source=weights)
    except ValueError as error:
        raise ValueError(f"backbone.weights={error}") from error
    _log.info("backbone.weights=%s: %s", weights, "; ".join(report.lines()))


def load_file(network: nn.Module, path: Path) -> Report:
    """Loads a file into `network` in place: our `backbone.pt`, or one of another project.

    The file's names may be torchvision's or timm's, PeCLR's, MoCo's or mmpose's (see
    `handpose.weights.foreign`); heads and whatever else stands beside the backbone are dropped.
    Only names, shapes and finiteness can be checked: a ResNet in Caffe's style, which strides in
    another convolution, or one for images standardised otherwise has the same ones.

    Raises:
        ValueError: the file cannot be read, or does not fit; says what to do.
    """
    return fill(network, read_state_dict(path), source=str(path))


def fill(network: nn.Module, state: dict[str, Tensor], *, source: str) -> Report:
    """Loads `state` into `network` in place, all of it or nothing.

    Every tensor of the network must be there in its shape, and no other one in the backbone's
    place. Only counters of batches may be missing.

    Args:
        source: what to call the weights in errors.

    Raises:
        ValueError: they do not fit, or are not finite; names the first tensors.
    """
    own = network.state_dict()
    try:
        translation = translate(state, own.keys())
    except ValueError as error:
        raise ValueError(f"{source} does not fit this backbone: {error}") from None
    counters = {name: torch.zeros_like(own[name]) for name in own if name.endswith(_COUNTER)}
    missing = counters.keys() - translation.state.keys()
    complete = counters | translation.state
    if misfit := describe_misfit(own, complete, naming=translation.naming):
        raise ValueError(f"{source} does not fit this backbone{misfit}")
    network.load_state_dict(complete)
    return Report(translation, matched=len(own) - len(missing), uncounted=len(missing))


def _fetch(imagenet: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    try:
        return imagenet()
    except Exception as error:  # the libraries raise URLError, OSError, hub errors and more
        raise ValueError(
            f"imagenet could not be fetched ({type(error).__name__}: {error}).\n"
            "Without a network, copy the file from a machine that has it into "
            f"{torch.hub.get_dir()}/checkpoints (ResNet) or the Hugging Face cache (HRNet), give a "
            "local file as backbone.weights=PATH, or start from random weights with "
            "backbone.weights=null."
        ) from error


_FIRST = 4  # names of each kind that a message shows
# (blocks of layer3, whether bottlenecks) -> ResNet (He et al., CVPR 2016, table 1).
_RESNETS = {(2, False): 18, (6, False): 34, (6, True): 50, (23, True): 101, (36, True): 152}


def describe_misfit(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor], *, naming: str
) -> str | None:
    """What is missing, unexpected, misshapen or not finite in `given`, and what to do; else None.

    Args:
        own: the state dict of the network.
        given: what would go into it, in the same names.
        naming: what the weights were recognised as.
    """
    shared = own.keys() & given.keys()
    kinds = {
        "missing": [name for name in own if name not in given],
        "unexpected": [name for name in given if name not in own],
        "of another shape": [
            f"{name} {tuple(given[name].shape)} for {tuple(own[name].shape)}"
            for name in own
            if name in shared and given[name].shape != own[name].shape
        ],
        "not finite": [name for name in own if name in shared and not given[name].isfinite().all()],
    }
    found = [f"  {kind}, {_shorten(names)}" for kind, names in kinds.items() if names]
    if not found:
        return None
    return "\n".join([f", read as {naming}:", *found, _advice(own, given, kinds)])


def _shorten(names: list[str]) -> str:
    more = ", ..." if len(names) > _FIRST else ""
    return f"{len(names)}: {', '.join(names[:_FIRST])}{more}"


def _advice(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor], kinds: dict[str, list[str]]
) -> str:
    given_as, own_as = architecture(given), architecture(own)
    if given_as is not None and own_as is not None and given_as != own_as:
        return f"Its layers are those of {given_as}, not of {own_as}: choose backbone={given_as}."
    missing = kinds["missing"]
    if missing and all("stage4." in name and ".fuse_layers." in name for name in missing):
        return (
            "It was trained for the finest branch alone (mmpose's multiscale_output=False) and "
            "lacks the last fusion of the others. Take an HRNet of all branches, an HRNetV2."
        )
    if kinds["not finite"]:
        return "Its training diverged or the file is corrupt. Use another file."
    return "Choose the architecture that the weights were made with."


def architecture(state: Mapping[str, Tensor]) -> str | None:
    """The ResNet or HRNet whose layers a state dict has, by their number and width."""
    if "transition1.0.0.weight" in state:
        return f"hrnet_w{len(state['transition1.0.0.weight'])}"
    blocks = sum(bool(re.fullmatch(r"layer3\.\d+\.conv1\.weight", name)) for name in state)
    depth = _RESNETS.get((blocks, "layer1.0.conv3.weight" in state))
    return None if depth is None else f"resnet{depth}"
