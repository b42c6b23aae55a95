"""The configuration that a run was begun with, held against another one."""

from typing import Any

from omegaconf import OmegaConf

from handpose.config.catalogue import Catalogue
from handpose.config.source import parameter_defaults
from handpose.config.tree import leaves, lookup, overlay, place

# Of no consequence for what a run computes: a resumed run may change them, and encoders that differ
# in them alone are the same.
FREE = (
    *("logger", "paths", "sweep", "report", "pretrain.share"),
    *("trainer.num_workers", "trainer.max_unreadable"),
    *("trainer.checkpoint_every_n_steps", "trainer.keep_checkpoints"),
    *("trainer.log_every_n_steps", "trainer.log_every_seconds"),
)
_ABSENT = "absent"


def is_free(key: str) -> bool:
    """Whether a key, or one above it, is of no consequence for what a run computes."""
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def compare(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """A line for each value that differs and counts: "key: before -> now".

    Both are resolved. Files below their own `paths` are equal wherever those are.
    """
    old, new = _flat(before), _flat(now)
    return [
        f"{key}: {old.get(key, _ABSENT)} -> {new.get(key, _ABSENT)}"
        for key in sorted(old.keys() | new.keys())
        if not is_free(key) and old.get(key, _ABSENT) != new.get(key, _ABSENT)
    ]


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    paths = config.get("paths") or {}
    return {key: _portable(value, paths) for key, value in leaves(config) if value != {}}


def _portable(value: Any, paths: dict[str, str]) -> Any:
    """A file below one of `paths`, named from there; any other value as it is."""
    for name, folder in paths.items():
        if isinstance(value, str) and (value == folder or value.startswith(f"{folder}/")):
            return f"${{paths.{name}}}{value.removeprefix(folder)}"
    return value


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """How `now` differs from the configuration that a run was begun with, maybe long ago.

    A key that is new since then counts as its default. One that is no more does not count.
    """
    lines = compare(before, now)
    if any(f": {_ABSENT} -> " in line for line in lines):
        lines = compare(up_to_date(before, Catalogue()), now)
    return [] if all(line.endswith(f" -> {_ABSENT}") for line in lines) else lines


def up_to_date(config: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """A stored configuration, with the keys that are new since then at their defaults, resolved.

    Those of a part are as in the choice that it resembles most, but for a parameter that its class
    has a default for: that is what the class did before a choice could say otherwise.
    """
    filled = config
    for slot, group in catalogue.slots.items():
        part = lookup(config, slot)
        if isinstance(part, dict):
            filled = overlay(place(_nearest(part, group, catalogue), slot), filled)
    whole: Any = OmegaConf.create(overlay(catalogue.settings, filled))
    return OmegaConf.to_container(whole, resolve=True)  # type: ignore[return-value]


def _nearest(part: dict[str, Any], group: str, catalogue: Catalogue) -> dict[str, Any]:
    """The content of the choice, of those that build the same, with the most equal values."""
    every = [catalogue.content(group, choice) for choice in catalogue.choices[group]]
    alike = [one for one in every if one.get("_target_") == part.get("_target_")]
    own = dict(leaves(part))

    def likeness(content: dict[str, Any]) -> int:
        return sum(key in own and own[key] == value for key, value in leaves(content))

    nearest = max(alike, key=likeness, default={})
    before = parameter_defaults(nearest.get("_target_"))
    return nearest | {key: value for key, value in before.items() if key in nearest}
