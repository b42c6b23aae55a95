"""What a value must be, said and tested in one place each."""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from handpose.augment.settings import BOUNDS, SINGLE, WORDS


class Rule(NamedTuple):
    """What a value must be."""

    holds: Callable[[Any], bool]
    expected: str  # the same in words
    bounds: tuple[float, float] | None = None  # lowest and highest number that it admits


def is_number(value: Any) -> bool:
    """A finite number that is not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """An int that is not a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole(low: int, high: int, *, step: int = 1) -> Rule:
    """A whole number from `low` to `high`, a multiple of `step`."""
    kind = "a whole number" if step == 1 else f"a multiple of {step}"
    return Rule(
        lambda v: is_whole(v) and low <= v <= high and v % step == 0,
        f"{kind} from {low} to {high}",
        (low, high),
    )


def number(low: float, high: float, *, above: bool = False, below: bool = False) -> Rule:
    """A number from `low` to `high`: strictly above the one, or below the other, where told."""
    strict = f"{'above' if above else 'at least'} {low:g} and {'below' if below else 'at most'} "
    words = f"{strict}{high:g}" if above or below else f"from {low:g} to {high:g}"
    return Rule(
        lambda v: (
            is_number(v) and (low < v if above else low <= v) and (v < high if below else v <= high)
        ),
        f"a number {words}",
        (low, high),
    )


def span(low: float, high: float) -> Rule:
    """A range of numbers within [low, high]."""
    return Rule(
        lambda v: (
            isinstance(v, list)
            and len(v) == 2
            and all(map(is_number, v))
            and low <= v[0] <= v[1] <= high
        ),
        f"a range [from, to] within [{low:g}, {high:g}]",
        (low, high),
    )


def one_of(*names: str) -> Rule:
    """One of these words."""
    return Rule(lambda v: v in names and isinstance(v, str), " or ".join(names))


def optional(rule: Rule) -> Rule:
    """Null, or what another rule asks for."""
    return Rule(lambda v: v is None or rule.holds(v), f"null or {rule.expected}", rule.bounds)


def _are_devices(value: Any) -> bool:
    if isinstance(value, list):
        known = all(is_whole(index) and 0 <= index < _MOST_DEVICES for index in value)
        return known and 0 < len(value) == len(set(value))
    return is_whole(value) and 1 <= value <= _MOST_DEVICES


def _are_weights(value: Any) -> bool:
    return isinstance(value, list) and all(is_number(w) and 0 < w <= _MOST_WEIGHT for w in value)


_MOST_DEVICES, _MOST_WEIGHT = 1024, 1e6
FILLED = Rule(lambda v: isinstance(v, str) and bool(v.strip()), "a name")
SEED = whole(0, 2**32 - 1)  # what NumPy and Lightning take
EPOCHS = whole(1, 100_000)
BATCH = whole(2, 1_000_000)  # BatchNorm has no statistics of a single sample
SAMPLES = whole(2, 1_000_000_000)
STEPS = whole(1, 1_000_000_000)
SPLIT = whole(1, 10_000_000)  # hands to render
WIDTH = whole(1, 65_536)  # of a hidden layer
CHANNELS = whole(1, 4096)  # of a decoder
LOSS_WEIGHT = number(0, _MOST_WEIGHT)
TRUE_OR_FALSE = Rule(lambda value: isinstance(value, bool), "true or false")

_STAGE = {
    "max_epochs": EPOCHS,
    "warmup_epochs": number(0, 100_000),
    "batch_size": BATCH,
    "samples_per_epoch": optional(SAMPLES),
    "accumulate_grad_batches": whole(1, 100_000),
}
# By key.
RUN: dict[str, Rule] = {
    "seed": SEED,
    "reference_bone": one_of("index", "middle"),
    "init_from": optional(FILLED),
    "sweep": FILLED,
    **{
        f"{stage}.{key}": rule for stage in ("pretrain", "finetune") for key, rule in _STAGE.items()
    },
    "pretrain.gradient_cache_chunk": optional(whole(1, 1_000_000)),
    "pretrain.positives": one_of("self", "mined"),
    "pretrain.mining.joints": FILLED,
    "pretrain.mining.num_dims": whole(1, 42),
    "pretrain.mining.neighbours": whole(1, 1000),
    "pretrain.mining.exclude": one_of("recording", "identity", "none"),
    "pretrain.probe.samples": optional(whole(2, 1_000_000)),
    "pretrain.probe.every_n_epochs": EPOCHS,
    "pretrain.share": optional(TRUE_OR_FALSE),
    "finetune.label_fraction": number(0, 1, above=True),
    "finetune.layer_decay": number(0, 1, above=True),
    "evaluate.batch_size": whole(1, 1_000_000),
    "evaluate.split": one_of("test", "val"),
    "hydra.launcher.timeout_min": whole(1, 1_000_000),
    "hydra.launcher.array_parallelism": whole(1, 100_000),
}
# By group and key: wherever the group's choice lies.
PARTS: dict[str, dict[str, Rule]] = {
    "paths": {"data": FILLED, "cache": FILLED, "runs": FILLED},
    "augment": {
        key: number(low, high) if key in SINGLE else span(low, high)
        for key, (low, high) in BOUNDS.items()
    }
    | {key: one_of(*words) for key, words in WORDS.items()},
    "dataset": {
        "root": FILLED,
        "image_size": whole(32, 1024, step=32),
        "crop_by": one_of("box", "joints"),
        "num_train": SPLIT,
        "num_val": SPLIT,
        "num_test": SPLIT,
        "render_size": whole(32, 1024),
        "seed": SEED,
        "val_fraction": number(0, 1, above=True, below=True),
        "box_side": number(0, 10, above=True),
        "annotations": one_of("all", "human", "machine"),
        "quarantine": optional(FILLED),
        "joint_regressor": optional(FILLED),
        "file": FILLED,
        "upright": optional(TRUE_OR_FALSE),
        "boxes": optional(FILLED),
        "min_side": whole(1, 10_000),
        "max_left_out": number(0, 1),
        "weights": optional(
            Rule(_are_weights, f"a list of numbers above 0 to {_MOST_WEIGHT:g}", (0, _MOST_WEIGHT))
        ),
    },
    "optimizer": {
        "lr": number(0, 1000, above=True),
        "weight_decay": number(0, 100),
        "momentum": number(0, 1, below=True),
    },
    "trainer": {
        "accelerator": one_of("auto", "cpu", "gpu", "cuda"),
        "devices": Rule(
            _are_devices,
            f"how many, 1 to {_MOST_DEVICES}, or a list of their indices, as [0,3]",
            (1, _MOST_DEVICES),
        ),
        "num_nodes": whole(1, 10_000),
        "strategy": optional(one_of("ddp", "ddp_find_unused_parameters_true")),
        "precision": one_of("32-true", "16-mixed", "bf16-mixed"),
        "num_workers": optional(whole(0, 512)),
        "checkpoint_every_n_steps": optional(STEPS),
        "log_every_n_steps": STEPS,
        "log_every_seconds": number(0, 1_000_000, above=True),
        "max_unreadable": whole(0, 1_000_000_000),
        "caps.max_epochs": optional(EPOCHS),
        "caps.batches": optional(STEPS),
        "caps.batch_size": optional(BATCH),
        "caps.samples": optional(STEPS),
    },
    "logger": {"wandb.mode": one_of("online", "offline", "disabled")},
    "objective": {
        "temperature": number(0.001, 100),
        "projection": one_of("embedding", "keypoints", "maps"),
        "hidden_dim": WIDTH,
        "projection_dim": whole(2, 65_536, step=2),  # read as 2D points
        "decoder_width": CHANNELS,
        "shift": one_of("published", "exact"),
        "num_keypoints": whole(0, 4096),
        "weights.contrastive": optional(LOSS_WEIGHT),
        "weights.relative": optional(LOSS_WEIGHT),
    },
    "head": {
        "width": CHANNELS,
        "hidden_dim": optional(WIDTH),
        "activation": one_of("relu", "none"),
        "stride": whole(1, 16),
        "sigma": number(0.1, 100),
        "heatmap_weight": LOSS_WEIGHT,
        "depth_weight": LOSS_WEIGHT,
        "root": one_of("wrist", "palm"),
        "root_depth": one_of("solve", "refined"),
        "refine_weight": LOSS_WEIGHT,
    },
}


def kind(value: Any) -> str:
    """The kind of a value, in words; empty where it says nothing of the kind."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, list):
        numbers = len(value) == 2 and all(is_number(item) for item in value)
        return "a range [from, to]" if numbers else "a list"
    if isinstance(value, dict):
        return "keys"
    return "" if value == "???" or re.fullmatch(r"\$\{[^}]*\}", value) else "a text"


def rule_of(examples: list[Any]) -> Rule | None:
    """A rule from the values that conf/ gives a key: one of their kinds; None where any will do."""
    kinds = list(dict.fromkeys(kind(example) for example in examples))
    if not kinds or "" in kinds or kinds == ["null"]:
        return None
    return Rule(lambda value: any(_is_of(value, name) for name in kinds), " or ".join(kinds))


def _is_of(value: Any, name: str) -> bool:
    """Whether a value is of a kind. Any plain value may stand for a text."""
    if name == "a range [from, to]":
        return kind(value) == name and value[0] <= value[1]
    if name == "a number":
        return is_number(value)
    if name == "a text":
        return not isinstance(value, list | dict | bool)
    return kind(value) == name or (name == "a list" and isinstance(value, list))
