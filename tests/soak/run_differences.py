"""Compares two finished runs bit by bit, except for times, memory and provenance."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handpose.config.renamed import PROVENANCE
from handpose.training.meters import FLOPS, TIMED
from handpose.weights import torch_file

_WEIGHTS = ("backbone.pt", "model.pt")
_CHECKPOINTS = ("last.ckpt", "best.ckpt")
# The rest of a checkpoint is the path of its run directory and the time that it took.
_OF_A_CHECKPOINT = ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers")
_SECONDS = "_seconds"


def differences(one: Path, other: Path) -> list[str]:
    """Returns where the weights, optimizers, curves and results of two runs differ.

    Args:
        one: directory of a finished run.
        other: directory of another. A row that metrics.csv has twice, since a resumed run repeats
            steps, counts once; twice with two values, it is a difference.

    Returns:
        FILE/KEY/... of each difference.
    """
    first, second = _content(one), _content(other)
    assert first, f"{one} is not a finished run"
    return nested_differences(first, second)


def nested_differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Returns where two nested values differ; tensors are compared bit by bit.

    Args:
        one: a value.
        other: another.
        place: prefix of the returned places.
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        alone = [f"{_join(place, key)} (in one only)" for key in one.keys() ^ other.keys()]
        both = [key for key in one if key in other]
        return alone + _each((_join(place, key), one[key], other[key]) for key in both)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return [f"{place} (lengths {len(one)} and {len(other)})"]
        pairs = enumerate(zip(one, other, strict=True))
        return _each((_join(place, i), a, b) for i, (a, b) in pairs)
    return [] if _is_same(one, other) else [place]


def _each(pairs: Iterable[tuple[str, Any, Any]]) -> list[str]:
    return [line for place, a, b in pairs for line in nested_differences(a, b, place)]


def _join(place: str, key: object) -> str:
    return f"{place}/{key}" if place else str(key)


def _is_same(one: Any, other: Any) -> bool:
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return type(one) is type(other) and one == other
    return (one.dtype, one.shape) == (other.dtype, other.shape) and torch.equal(
        _bits(one), _bits(other)
    )


def _bits(tensor: Tensor) -> Tensor:
    """Returns the bytes: as numbers, 0 equals -0, and NaN differs from itself."""
    return tensor.detach().reshape(-1).contiguous().view(torch.uint8)


def _content(run_dir: Path) -> dict[str, Any]:
    """Returns what is compared, by file."""
    content: dict[str, Any] = {}
    for name in _WEIGHTS:
        if (path := run_dir / name).exists():
            content[name] = _without_seconds(torch_file.load(path))
    for name in _CHECKPOINTS:
        for path in sorted(run_dir.glob(f"checkpoints/*/{name}")):
            kept = torch_file.load(path)
            content[str(path.relative_to(run_dir))] = {key: kept[key] for key in _OF_A_CHECKPOINT}
    if (path := run_dir / "results.json").exists():
        content[path.name] = _without_seconds(json.loads(path.read_text()))
    if (path := run_dir / "metrics.csv").exists():
        content[path.name] = _rows(path)
    return content


def _without_seconds(node: Any) -> Any:
    if not isinstance(node, Mapping):
        return node
    # A run that was stopped after a stage's last step counts no FLOPs when it resumes.
    ignored = (_SECONDS, *TIMED, f"_{FLOPS.name}", f"_{FLOPS.name}_reason")
    own = {k: v for k, v in node.items() if k != PROVENANCE}
    return {k: _without_seconds(v) for k, v in own.items() if not str(k).endswith(ignored)}


def _rows(path: Path) -> dict[str, Sequence[str]]:
    """Returns the values at each epoch, step and name, each once."""
    values: dict[str, set[str]] = {}
    with path.open(newline="") as file:
        for *place, value in csv.reader(file):
            if not place[-1].endswith(TIMED):
                values.setdefault(",".join(place), set()).add(value)
    return {place: sorted(own) for place, own in values.items()}
