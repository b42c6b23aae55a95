"""The tree of keys that a configuration may have, and the values seen there."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Node:
    """A key: those below it, and the values that the files of conf/ give it."""

    children: dict[str, "Node"] = field(default_factory=dict)
    examples: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, value: Any) -> "Node":
        """The tree of one file's content."""
        if isinstance(value, dict) and value:
            return cls({str(key): cls.of(below) for key, below in value.items()})
        return cls(examples=[value])

    def merge(self, other: "Node") -> "Node":
        """The union of two trees."""
        names = [*self.children, *(name for name in other.children if name not in self.children)]
        merged = {
            name: self.children.get(name, Node()).merge(other.children.get(name, Node()))
            for name in names
        }
        return Node(merged, self.examples + other.examples)

    def at(self, path: str) -> "Node | None":
        """The node of a dotted path, or None where there is none."""
        node: Node | None = self
        for name in path.split("."):
            node = node.children.get(name) if node else None
        return node

    def put(self, path: str, node: "Node") -> None:
        """Places a tree at a dotted path whose parent exists."""
        *parents, name = path.split(".")
        parent = self.at(".".join(parents)) if parents else self
        if parent is not None:
            parent.children[name] = node

    def paths(self, prefix: str = "") -> Iterator[str]:
        """Every dotted path of the tree."""
        for name, child in self.children.items():
            yield prefix + name
            yield from child.paths(f"{prefix}{name}.")


def lookup(content: Any, path: str) -> Any:
    """The value at a dotted path of nested dicts, or None."""
    for name in path.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    return content


def place(value: dict[str, Any], path: str) -> dict[str, Any]:
    """`value` at a dotted path: nested dicts around it."""
    for name in reversed([name for name in path.split(".") if name]):
        value = {name: value}
    return value


def overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Nested dicts merged; `above` wins."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlay(merged[key], value) if both else value
    return merged


def leaves(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of everything that is not a filled dict."""
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
