"""Recognise state dicts of other projects by their keys and rename them."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

from torch import Tensor

# Prefix of the backbone in the state dicts of each project, from the project's code.
_PROJECTS = {
    "": "torchvision's or timm's own names",
    "module.": "the library's names, saved under DataParallel",
    "encoder.features.": "PeCLR as trained, ResNetModel.features",
    "encoder.": "a Lightning module's encoder",
    "backend_model.": "PeCLR's fine-tuned model, RN_25D_wMLPref",
    "module.encoder_q.": "MoCo's query encoder",
    "encoder_q.": "MoCo's query encoder",
    "backbone.": "mmpose, or another of OpenMMLab",
}
MMPOSE = _PROJECTS["backbone."]
# nn.Sequential(*resnet.children()); ReLU and pooling have no weights.
_CHILDREN = {"0": "conv1", "1": "bn1", "9": "fc"} | {str(3 + i): f"layer{i}" for i in (1, 2, 3, 4)}
# Modules under the same prefix that are no part of the backbone: classifiers, projections, pose
# heads, and HRNet's classification modules.
_HEADS = {
    *("fc", "classifier", "final_layer", "final_layers", "projection_head"),
    *("incre_modules", "downsamp_modules"),
}


@dataclass(frozen=True)
class Translation:
    """The backbone in a foreign state dict, under the library's names.

    Attributes:
        naming: recognised naming scheme.
        state: renamed tensors.
        example: an old and a new name; None if no tensor was renamed.
        dropped: number of dropped tensors by module.
    """

    naming: str
    state: dict[str, Tensor]
    example: tuple[str, str] | None
    dropped: dict[str, int] = field(default_factory=dict)


def translate(state: dict[str, Tensor], wanted: Set[str]) -> Translation:
    """Extract the backbone from a state dict, by the naming scheme that matches most names.

    Args:
        state: names and tensors of a foreign checkpoint.
        wanted: names of the backbone's tensors.

    Returns:
        The tensors under the backbone's names, and how they were found.

    Raises:
        ValueError: no known scheme matches any name, or two match equally many.
    """
    found = [
        (prefix, renamed, wanted & renamed.keys())
        for prefix in _PROJECTS
        for renamed in (_strip(state, prefix), _strip(state, prefix, children=True))
    ]
    prefix, renamed, matched = max(found, key=lambda candidate: len(candidate[2]))
    if not matched:
        raise ValueError(_unknown(state))
    rivals = [other for other, _, names in found if len(names) == len(matched) and other != prefix]
    if rivals:
        raise ValueError(
            f"two backbones in one file, under {prefix}* and {rivals[0]}*. Keep only one of them."
        )
    kept = {
        name: old
        for name, old in renamed.items()
        if name in wanted or name.split(".")[0] not in _HEADS
    }
    example = next(((old, name) for name, old in kept.items() if old != name), None)
    return Translation(
        naming=f"{_PROJECTS[prefix]} ({prefix}*)" if prefix else _PROJECTS[prefix],
        state={name: state[old] for name, old in kept.items()},
        example=example,
        dropped=_count(state.keys() - set(kept.values()), prefix),
    )


def _strip(state: dict[str, Tensor], prefix: str, *, children: bool = False) -> dict[str, str]:
    """Map names without `prefix` to the names in `state`."""
    stripped = {name.removeprefix(prefix): name for name in state if name.startswith(prefix)}
    if not children:
        return stripped
    renamed = {_rename(name): old for name, old in stripped.items()}
    return renamed if len(renamed) == len(stripped) else {}  # no two tensors for one name


def _rename(name: str) -> str:
    first, dot, rest = name.partition(".")
    return f"{_CHILDREN.get(first, first)}{dot}{rest}"


def _count(names: Set[str], prefix: str) -> dict[str, int]:
    """Count `names` by module, cut after the first part that differs from `prefix`."""

    def module(name: str) -> str:
        parts, common = name.split("."), 0
        for part, other in zip(parts[:-1], prefix.split("."), strict=False):
            if part != other:
                break
            common += 1
        return ".".join(parts[: common + 1]) + (".*" if len(parts) > common + 1 else "")

    return dict(sorted(Counter(map(module, names)).items()))


def _unknown(state: dict[str, Tensor]) -> str:
    if any("backbone.network." in name for name in state):
        return (
            "a whole model or a checkpoint of handpose. Give the run's backbone.pt, or export the "
            "fine-tuned backbone with `python scripts/weights.py export RUN --stage finetune`."
        )
    prefixes = ", ".join(f"{prefix}*" for prefix in _PROJECTS if prefix)
    return (
        f"names of an unknown scheme, such as {', '.join(list(state)[:3])}. Known are the "
        f"library's own names, bare or as {prefixes}. Rename the tensors, or choose the backbone "
        "that the weights were trained with."
    )
