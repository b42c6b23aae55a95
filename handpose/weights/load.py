"""Load start weights into a backbone and explain why weights do not fit."""

import logging
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from huggingface_hub.utils.logging import disable_propagation
from torch import Tensor, nn

from handpose.weights.foreign import MMPOSE, Translation, translate
from handpose.weights.read import read_state_dict

# Values of backbone.weights that download: those of torchvision or timm for ResNets and HRNets, and
# timm's own for its other models.
IMAGENET, PRETRAINED = "imagenet", "pretrained"
State = dict[str, Tensor]
# Weights as a network names and shapes them, and what was changed, in words.
Adapt = Callable[[State], tuple[State, list[str]]]

_log = logging.getLogger(__name__)

# Missing in files older than PyTorch 0.4.1; BatchNorm reads it only if momentum is None.
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class Report:
    """Result of loading a state dict into a backbone.

    Attributes:
        translation: renamed and dropped tensors.
        matched: number of the backbone's tensors that were loaded.
        uncounted: number of missing batch counters.
        notes: what was changed to fit the network, in words.
    """

    translation: Translation
    matched: int
    uncounted: int
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the report as readable lines."""
        example, dropped = self.translation.example, self.translation.dropped
        renamed = f"renamed as {example[0]} -> {example[1]}" if example else "none renamed"
        modules = [f"{module} ({count})" for module, count in dropped.items()]
        lines = [
            f"recognised as {self.translation.naming}",
            f"matched {self.matched} tensors, {renamed}",
            f"dropped {sum(dropped.values())}: {', '.join(modules)}" if dropped else "dropped none",
        ]
        lines += self.notes
        if self.uncounted:
            lines.append(f"lacks {self.uncounted} {_COUNTER[1:]}, as old files do: they stay 0")
        if self.translation.naming.startswith(MMPOSE) and "transition1" in self.modules:
            lines.append(
                "some HRNets of mmpose upsample bilinearly between branches, timm's by nearest "
                "neighbour: such a file is a start for training, but its features differ"
            )
        return lines

    @property
    def modules(self) -> set[str]:
        """Top-level module names of the backbone."""
        return {name.split(".")[0] for name in self.translation.state}


def load_weights(
    network: nn.Module,
    weights: str | None,
    *,
    published: Mapping[str, Callable[[], State]] | None = None,
    adapt: Adapt | None = None,
) -> None:
    """Load `weights` into `network` in place and log what matched.

    Args:
        network: a backbone's network.
        weights: None for the random start, a word of `published`, or a path as for `load_file`.
        published: functions that download a state dict, by their words.
        adapt: see `Backbone.adapt`.

    Raises:
        ValueError: the weights cannot be fetched or read, or do not fit.
    """
    if weights is None:
        return
    words = published or {}
    try:
        if weights in words:
            state = _fetch(weights, words[weights])
        else:
            _refuse_word(weights, words)
            state = read_state_dict(Path(weights))
        report = fill(network, state, source=weights, adapt=adapt)
    except ValueError as error:
        raise ValueError(f"backbone.weights={error}") from error
    _log.info("backbone.weights=%s: %s", weights, "; ".join(report.lines()))


def _refuse_word(weights: str, words: Mapping[str, Callable[[], State]]) -> None:
    if weights in (IMAGENET, PRETRAINED) and not Path(weights).is_file():
        known = " or ".join([*words, "the path of a file", "null (random)"])
        raise ValueError(f"{weights}: this backbone has no such weights. Set {known}")


def load_file(network: nn.Module, path: Path, *, adapt: Adapt | None = None) -> Report:
    """Load a `backbone.pt` or a file of another project into `network` in place.

    Names may be those of torchvision, timm, PeCLR, MoCo or mmpose (see `handpose.weights.foreign`).
    Heads and other modules are dropped. Only names, shapes and finiteness are checked. A ResNet in
    Caffe's style (other strides) or for other image normalisation passes these checks.

    Args:
        network: a backbone's network.
        path: weights file.
        adapt: see `Backbone.adapt`.

    Raises:
        ValueError: the file cannot be read or does not fit.
    """
    return fill(network, read_state_dict(path), source=str(path), adapt=adapt)


def fill(network: nn.Module, state: State, *, source: str, adapt: Adapt | None = None) -> Report:
    """Load `state` into `network` in place, completely or not at all.

    Names and shapes must match exactly; only batch counters may be missing.

    Args:
        network: a backbone's network.
        state: tensors under the names of any known project.
        source: name of the weights in errors.
        adapt: see `Backbone.adapt`.

    Raises:
        ValueError: the tensors do not fit or are not finite; names the first ones.
    """
    own = network.state_dict()
    try:
        translation, notes = _translate(state, own.keys(), adapt)
    except ValueError as error:
        raise ValueError(f"{source} does not fit this backbone: {error}") from None
    counters = {name: torch.zeros_like(own[name]) for name in own if name.endswith(_COUNTER)}
    missing = counters.keys() - translation.state.keys()
    complete = counters | translation.state
    if misfit := describe_misfit(own, complete, naming=translation.naming):
        raise ValueError(f"{source} does not fit this backbone{misfit}")
    network.load_state_dict(complete)
    matched = len(own) - len(missing)
    return Report(translation, matched=matched, uncounted=len(missing), notes=tuple(notes))


def _translate(
    state: State, wanted: Set[str], adapt: Adapt | None
) -> tuple[Translation, list[str]]:
    """Rename by prefix, then adapt; the other way round for names of which none is known."""
    if adapt is None:
        return translate(state, wanted), []
    try:
        translation = translate(state, wanted)
    except ValueError:
        renamed, notes = adapt(state)
        return translate(renamed, wanted), notes
    adapted, notes = adapt(translation.state)
    return replace(translation, state=adapted), notes


def _fetch(word: str, download: Callable[[], State]) -> State:
    disable_propagation()  # the Hub's client prints its retries itself, which are not logged twice
    try:
        return download()
    except Exception as error:  # the libraries raise many kinds of errors
        raise ValueError(
            f"{word} could not be fetched ({type(error).__name__}: {error}).\n"
            "It is a download. Without a network, copy the file from a machine that has it into "
            f"{torch.hub.get_dir()}/checkpoints (ResNet) or the Hugging Face cache (HRNet, timm), "
            "give a local file as backbone.weights=PATH, or start from random weights with "
            "backbone.weights=null."
        ) from error


_FIRST = 4  # names per kind in a message
# (blocks of layer3, whether bottlenecks) -> ResNet (He et al., CVPR 2016, table 1).
_RESNETS = {(2, False): 18, (6, False): 34, (6, True): 50, (23, True): 101, (36, True): 152}


def describe_misfit(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor], *, naming: str
) -> str | None:
    """Describe missing, unexpected, misshapen or non-finite tensors and the fix; None if all fit.

    Args:
        own: state dict of the network.
        given: state dict to load, under the same names.
        naming: recognised naming scheme of the weights.
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
            "It was trained with the finest branch only (mmpose's multiscale_output=False) and "
            "lacks the last fusion of the others. Use an HRNet with all branches (HRNetV2)."
        )
    if kinds["not finite"]:
        return "Its training diverged or the file is corrupt. Use another file."
    return "Choose the architecture that the weights were trained with."


def architecture(state: Mapping[str, Tensor]) -> str | None:
    """Recognise a ResNet or HRNet by the number and width of its layers; None if unknown."""
    if "transition1.0.0.weight" in state:
        return f"hrnet_w{len(state['transition1.0.0.weight'])}"
    blocks = sum(bool(re.fullmatch(r"layer3\.\d+\.conv1\.weight", name)) for name in state)
    depth = _RESNETS.get((blocks, "layer1.0.conv3.weight" in state))
    return None if depth is None else f"resnet{depth}"
