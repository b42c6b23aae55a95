"""The content of a configuration as nested dicts: dotted paths, merging, resolved values."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from handpose.messages import first_line

Content = dict[str, Any]
_ABSENT = object()


def lookup(content: Any, path: str, default: Any = None) -> Any:
    """Return the value at a dotted path of nested dicts, or the default.

    Args:
        content: nested dicts; any other value has no paths.
        path: dotted path, such as `optimizer.lr`.
        default: returned if the path does not exist.
    """
    for name in path.split("."):
        if not isinstance(content, dict) or name not in content:
            return default
        content = content[name]
    return content


def has(content: Any, path: str) -> bool:
    """Return whether nested dicts have a dotted path.

    Args:
        content: nested dicts; any other value has no paths.
        path: dotted path, such as `optimizer.lr`.
    """
    return lookup(content, path, _ABSENT) is not _ABSENT


def place(value: Any, path: str) -> Any:
    """Return `value` inside nested dicts, at a dotted path.

    Args:
        value: the innermost value.
        path: dotted path; if empty, `value` is returned as it is.
    """
    for name in reversed([name for name in path.split(".") if name]):
        value = {name: value}
    return value


def overlay(below: Content, above: Content) -> Content:
    """Merge nested dicts; `above` wins.

    Args:
        below: nested dicts with the defaults; not changed.
        above: nested dicts whose values replace those of `below`; not changed.
    """
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlay(merged[key], value) if both else value
    return merged


def union(one: Any, other: Any) -> Any:
    """Merge nested dicts; keys of both stay, and the first value of each wins.

    Args:
        one: nested dicts, or a value; not changed.
        other: nested dicts, or a value; adds the keys that `one` lacks.
    """
    if not isinstance(one, dict) or not isinstance(other, dict):
        return one if isinstance(one, dict) or not isinstance(other, dict) else other
    new = {key: value for key, value in other.items() if key not in one}
    return {key: union(one[key], other.get(key, one[key])) for key in one} | new


def leaves(content: Content, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of every leaf, empty dicts included.

    Args:
        content: nested dicts.
        prefix: put before each path; ends with a dot unless empty.
    """
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def paths(content: Any, prefix: str = "") -> Iterator[str]:
    """Yield every dotted path of nested dicts.

    Args:
        content: nested dicts; any other value has no paths.
        prefix: put before each path; ends with a dot unless empty.
    """
    for key, value in content.items() if isinstance(content, dict) else ():
        yield f"{prefix}{key}"
        yield from paths(value, f"{prefix}{key}.")


def as_written(cfg: DictConfig) -> Content:
    """Return a configuration as plain dicts with its references, without Hydra's part."""
    content: Any = OmegaConf.to_container(cfg, resolve=False)
    return {str(key): value for key, value in content.items() if key != "hydra"}


def of_hydra(cfg: DictConfig) -> Content:
    """Return Hydra's part of a configuration as plain dicts with its references."""
    own: Any = OmegaConf.to_container(OmegaConf.masked_copy(cfg, "hydra"), resolve=False)
    return own


class UnresolvedError(Exception):
    """A reference that leads to no value."""


def resolve(cfg: DictConfig, path: str) -> Any:
    """Return the plain value at a dotted path, with references resolved.

    Args:
        cfg: the composed configuration.
        path: dotted path, such as `optimizer.lr`.

    Raises:
        UnresolvedError: a reference leads to no value.
    """
    try:
        value = OmegaConf.select(cfg, path, throw_on_resolution_failure=True)
        is_nested = isinstance(value, DictConfig | ListConfig)
        return OmegaConf.to_container(value, resolve=True) if is_nested else value
    except (OmegaConfBaseException, ValueError) as error:
        raise UnresolvedError(first_line(error)) from None


def found_value(cfg: DictConfig, path: str) -> Any:
    """Return the plain value at a dotted path, or None if it is missing.

    Args:
        cfg: the composed configuration.
        path: dotted path, such as `optimizer.lr`.
    """
    try:
        return resolve(cfg, path)
    except UnresolvedError:
        return None  # reported by value_problems
