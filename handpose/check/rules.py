"""What a value must be, said and tested in one place each."""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """`holds(value)`, and in words what is expected."""

    holds: Callable[[Any], bool]
    expected: str


def is_number(value: Any) -> bool:
    """A finite number that is not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """An int that is not a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole(low: int) -> Rule:
    """A whole number from `low` on."""
    return Rule(lambda v: is_whole(v) and v >= low, f"a whole number, {low} or more")


def number(low: float, high: float = math.inf, *, above: bool = False) -> Rule:
    """A number from `low` (or strictly above it) to `high`."""
    start = f"above {low:g}" if above else f"{low:g} or more"
    return Rule(
        lambda v: is_number(v) and (low < v if above else low <= v) and v <= high,
        f"a number {start}" + (f" and at most {high:g}" if math.isfinite(high) else ""),
    )


def one_of(*names: str) -> Rule:
    """One of these words."""
    return Rule(lambda v: v in names and isinstance(v, str), " or ".join(names))


def optional(rule: Rule) -> Rule:
    """Null, or what another rule asks for."""
    return Rule(lambda v: v is None or rule.holds(v), f"null or {rule.expected}")


def _are_devices(value: Any) -> bool:
    if isinstance(value, list):
        known = all(is_whole(index) and index >= 0 for index in value)
        return known and 0 < len(value) == len(set(value))
    return is_whole(value) and value >= 1


FILLED = Rule(lambda v: isinstance(v, str) and bool(v.strip()), "a name")
MULTIPLE_OF_32 = Rule(lambda v: is_whole(v) and v > 0 and v % 32 == 0, "a multiple of 32, in px")
# BatchNorm has no statistics of a single sample.
BATCH = whole(2)

_STAGE = {
    "max_epochs": whole(1),
    "warmup_epochs": number(0),
    "batch_size": BATCH,
    "samples_per_epoch": optional(BATCH),
    "accumulate_grad_batches": whole(1),
}
# By key.
RUN: dict[str, Rule] = {
    "seed": whole(0),
    "reference_bone": one_of("index", "middle"),
    "sweep": FILLED,
    **{
        f"{stage}.{key}": rule for stage in ("pretrain", "finetune") for key, rule in _STAGE.items()
    },
    "pretrain.gradient_cache_chunk": optional(whole(1)),
    "pretrain.positives": one_of("self", "mined"),
    "pretrain.mining.joints": FILLED,
    "pretrain.mining.num_dims": Rule(
        lambda v: is_whole(v) and 1 <= v <= 42, "a whole number from 1 to 42"
    ),
    "pretrain.mining.neighbours": whole(1),
    "pretrain.mining.exclude": one_of("recording", "identity", "none"),
    "pretrain.probe.samples": optional(whole(2)),
    "pretrain.probe.every_n_epochs": whole(1),
    "pretrain.share": optional(Rule(lambda v: isinstance(v, bool), "true or false")),
    "pretrain.lease_seconds": number(1),
    "pretrain.give_way_minutes": optional(number(0, above=True)),
    "finetune.label_fraction": number(0, 1, above=True),
    "finetune.layer_decay": number(0, 1, above=True),
    "evaluate.batch_size": whole(1),
    "evaluate.split": one_of("test", "val"),
}
# By group and key: wherever the group's choice lies.
PARTS: dict[str, dict[str, Rule]] = {
    "paths": {"data": FILLED, "cache": FILLED, "runs": FILLED},
    "dataset": {
        "root": FILLED,
        "image_size": MULTIPLE_OF_32,
        "crop_by": one_of("box", "joints"),
        "num_train": whole(1),
        "num_val": whole(1),
        "num_test": whole(1),
        "val_fraction": Rule(lambda v: is_number(v) and 0 < v < 1, "a number between 0 and 1"),
        "box_side": number(0, above=True),
        "annotations": one_of("all", "human", "machine"),
        "quarantine": optional(FILLED),
        "joint_regressor": optional(FILLED),
        "file": FILLED,
        "boxes": optional(FILLED),
        "min_side": whole(1),
        "max_left_out": number(0, 1),
        "weights": optional(
            Rule(
                lambda v: isinstance(v, list) and all(is_number(w) and w > 0 for w in v),
                "a list of numbers above 0",
            )
        ),
    },
    "optimizer": {"lr": number(0, above=True), "weight_decay": number(0)},
    "trainer": {
        "accelerator": one_of("auto", "cpu", "gpu", "cuda"),
        "devices": Rule(_are_devices, "how many, 1 or more, or a list of their indices, as [0,3]"),
        "num_nodes": whole(1),
        "strategy": optional(one_of("ddp", "ddp_find_unused_parameters_true")),
        "precision": one_of("32-true", "16-mixed", "bf16-mixed"),
        "num_workers": optional(whole(0)),
        "checkpoint_every_n_steps": optional(whole(1)),
        "max_unreadable": whole(0),
        "caps.max_epochs": optional(whole(1)),
        "caps.batches": optional(whole(1)),
        "caps.batch_size": optional(BATCH),
        "caps.samples": optional(whole(1)),
    },
    "logger": {"wandb.mode": one_of("online", "offline", "disabled")},
    "objective": {
        "temperature": number(0, above=True),
        "projection": one_of("embedding", "keypoints", "maps"),
        "shift": one_of("published", "exact"),
        "num_keypoints": whole(0),
        "weights.contrastive": optional(number(0)),
        "weights.relative": optional(number(0)),
    },
    "head": {
        "depth_weight": number(0),
        "root": one_of("wrist", "palm"),
        "root_depth": one_of("solve", "refined"),
        "refine_weight": number(0),
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
