"""Why weights do not fit a network, in words."""

import re
from collections.abc import Mapping

from torch import Tensor

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
        return "Its training diverged or the file was damaged: take another one."
    return "Choose the architecture that the weights were made with."


def architecture(state: Mapping[str, Tensor]) -> str | None:
    """The ResNet or HRNet whose layers a state dict has, by their number and width."""
    if "transition1.0.0.weight" in state:
        return f"hrnet_w{len(state['transition1.0.0.weight'])}"
    blocks = sum(bool(re.fullmatch(r"layer3\.\d+\.conv1\.weight", name)) for name in state)
    depth = _RESNETS.get((blocks, "layer1.0.conv3.weight" in state))
    return None if depth is None else f"resnet{depth}"
