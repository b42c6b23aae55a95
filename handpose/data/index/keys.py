"""Joining records by their ids, as annotation files of several tables ask for."""

from collections.abc import Mapping
from typing import Any


def known(table: Mapping[Any, Any], key: Any, what: str) -> Any:
    """The entry of a key.

    Raises:
        ValueError: there is none.
    """
    if key not in table:
        shown = "/".join(key) if isinstance(key, tuple) else key
        raise ValueError(f"there is no {what} {shown}")
    return table[key]


def once(identifier: Any, seen: set[Any]) -> None:
    """Adds it to those seen.

    Raises:
        ValueError: it was among them.
    """
    if identifier in seen:
        raise ValueError(f"the id {identifier} stands twice")
    seen.add(identifier)
