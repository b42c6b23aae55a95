"""What a run starts from: weights of a backbone, or the whole model of another run."""

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from handpose.config.refusal import did_you_mean, nearest
from handpose.config.tree import lookup
from handpose.config.values import found_value
from handpose.files import LARGEST_TEXT, regular

# What both runs must have in common for a model to mean the same.
_COMMON = ("backbone.name", "head._target_", "head.root", "head.root_depth", "reference_bone")
_MODEL = "model.pt"


def start_problems(cfg: DictConfig) -> list[str]:
    """Missing weights, and a model that cannot be trained further by this run."""
    weights, given = found_value(cfg, "backbone.weights"), found_value(cfg, "init_from")
    problems = [_weights_problem(weights)]
    if isinstance(given, str):
        problems += [_file_problem(given), _stages_problem(cfg), *_differences(cfg, given)]
    return [problem for problem in problems if problem]


def model_file(init_from: str) -> Path:
    """The model that `init_from` names: a file, or that of a run directory."""
    path = Path(init_from)
    return path / _MODEL if path.is_dir() else path


def _weights_problem(weights: Any) -> str | None:
    if weights is None or weights == "imagenet" or not isinstance(weights, str):
        return None
    path = Path(weights)
    if path.is_file():
        return None
    inside = [str(path / "backbone.pt")] if (path / "backbone.pt").is_file() else []
    hint = did_you_mean(inside or nearest(weights, ["imagenet"]))
    return (
        f"backbone.weights={weights}: no such file ({path.absolute()}). "
        f"Give null (random), imagenet, or the path of a file of weights{hint}"
    )


def _file_problem(given: str) -> str | None:
    file = model_file(given)
    if file.is_file():
        return None
    return f"init_from={given}: no such file ({file.absolute()}). Give a run with a {_MODEL}"


def _stages_problem(cfg: DictConfig) -> str | None:
    """Why the model would not be what is fine-tuned."""
    start = "init_from: fine-tunes the model of another run, backbone and head"
    if found_value(cfg, "head._target_") is None:
        return f"{start}; choose that head, or start from backbone.weights=RUN/backbone.pt"
    if found_value(cfg, "objective._target_") is not None:
        return f"{start}, and pre-training would be lost; add objective=none"
    if found_value(cfg, "backbone.weights") is not None:
        return f"{start}; add backbone.weights=null"
    return None


def _differences(cfg: DictConfig, given: str) -> list[str]:
    """A problem for each setting in which the two runs' models differ, where that is known."""
    try:
        file = regular(model_file(given).parent / "config.json", most=LARGEST_TEXT)
        before = json.loads(file.read_text())
    except (OSError, ValueError):
        return []  # a file by itself; what does not fit is found when it is read
    return [
        f"init_from={given}: has {key}={lookup(before, key)}, and this run {found_value(cfg, key)}"
        for key in _COMMON
        if lookup(before, key) not in (None, found_value(cfg, key))
    ]
