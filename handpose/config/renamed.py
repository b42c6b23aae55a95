"""Old names of keys and modules in stored configurations, and what runs did without some keys."""

from typing import Any

_SOURCES = ("folder", "freihand", "interhand", "manifest", "mix", "mpii", "synthetic", "youtube")
# Old module -> new module. Add a line whenever a class that a file in conf/ names is moved.
RENAMED = {f"handpose.data.{name}": f"handpose.data.sources.{name}" for name in _SOURCES}

# Removed keys. None changed the result.
REMOVED = ("lease_seconds", "give_way_minutes")

# Entry of a run's config.json that is no key: how the run came about.
PROVENANCE = "provenance"

# Old place of a key -> new place.
MOVED = {("trainer", "gradient_clip_val"): ("trainer", "lightning", "gradient_clip_val")}

# Keys whose default is not what runs did before the key existed, and what they did.
BEFORE: dict[str, Any] = {"trainer": {"augment_on": "workers"}}


def with_current_names(node: Any) -> Any:
    """Return a stored configuration with current names, without provenance and removed keys.

    Args:
        node: the configuration, or a part of it, in plain values; not changed.
    """
    return _with_moved_keys(_with_current_targets(node))


def _with_moved_keys(config: Any) -> Any:
    for (*old, key), (*new, name) in MOVED.items():
        source = target = config
        for part in old:
            source = source.get(part) if isinstance(source, dict) else None
        if not isinstance(source, dict) or key not in source:
            continue
        value = source.pop(key)
        for part in new:
            target = target.setdefault(part, {})
        target.setdefault(name, value)
    return config


def _with_current_targets(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_current_targets(item) for item in node]
    if not isinstance(node, dict):
        return node
    left_out = (*REMOVED, PROVENANCE)
    current = {key: _with_current_targets(node[key]) for key in node if key not in left_out}
    if isinstance(target := current.get("_target_"), str):
        module, dot, name = target.rpartition(".")
        current["_target_"] = f"{RENAMED.get(module, module)}{dot}{name}"
    return current
