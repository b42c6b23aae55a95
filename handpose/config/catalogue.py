"""What conf/ holds: its groups, their choices and the keys of each."""

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from handpose.config.schema import RunConfig
from handpose.config.tree import Node, leaves, lookup, overlay, place

_PACKAGE = Path(__file__).resolve().parents[1]
# Inside the package where it is installed, beside it in a checkout.
CONF = next(
    (folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if folder.is_dir()),
    _PACKAGE / "conf",
)
# A value that is nothing but a reference to another key.
REFERENCE = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class Catalogue:
    """The choices found in `roots`: conf/, and any folder that the user adds to the search path."""

    roots: tuple[Path, ...] = (CONF,)

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """The choices of each group."""
        groups: dict[str, list[str]] = {group: [] for group, _ in self.selectors}
        for root in self.roots:
            for file in sorted(root.glob("*/**/*.yaml")):
                groups.setdefault(file.parent.relative_to(root).as_posix(), []).append(file.stem)
        return groups

    @cached_property
    def _main(self) -> dict[str, Any]:
        return _parsed(self.roots[0] / "config.yaml")

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What conf/config.yaml says of the run itself."""
        return {key: self._main[key] for key in self._main if key not in ("defaults", "hydra")}

    @cached_property
    def skeleton(self) -> Node:
        """The keys that every run has: the schema's and those of conf/config.yaml."""
        schema: Any = OmegaConf.to_container(OmegaConf.structured(RunConfig))
        return Node.of(schema).merge(Node.of(self.settings))

    @cached_property
    def slots(self) -> dict[str, str]:
        """Where a group's choice lies in the run: key -> group."""
        found = {package: group for group, package in self.selectors}
        for path, value in leaves(self.settings):
            match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
            if match and match[1] in found:
                found.setdefault(path, found[match[1]])
        return found

    @cached_property
    def selectors(self) -> list[tuple[str, str]]:
        """(group, key) of each entry of the defaults list: `dataset@pretrain.dataset` and so on."""
        names = [next(iter(entry)) for entry in self._main["defaults"] if isinstance(entry, dict)]
        return [(name.split("@")[0], name.split("@")[-1]) for name in names]

    def file(self, group: str, choice: str) -> Path | None:
        """The file of a choice."""
        paths = [root / group / f"{choice.removesuffix('.yaml')}.yaml" for root in self.roots]
        return next((path for path in paths if path.is_file()), None)

    def content(self, group: str, choice: str) -> dict[str, Any]:
        """What a file holds, with its own defaults followed."""
        file = self.file(group, choice)
        own = dict(_parsed(file)) if file else {}
        below: dict[str, Any] = {}
        for entry in own.pop("defaults", None) or []:
            below = overlay(below, self._default(group, entry))
        return overlay(below, own)

    def _default(self, group: str, entry: Any) -> dict[str, Any]:
        """The content that an entry of a defaults list brings; not what it overrides elsewhere."""
        name, choice = next(iter(entry.items())) if isinstance(entry, dict) else (entry, None)
        name, _, package = str(name).removeprefix("optional ").partition("@")
        if name.startswith("override ") or name == "_self_" or package.startswith("_global_"):
            return {}
        if choice is None:
            name, _, choice = (
                f"{group}/{name}".rpartition("/") if name[0] != "/" else name.rpartition("/")
            )
            return place(self.content(name.strip("/"), choice), package.removeprefix("_here_"))
        absolute = name[1:] if name[0] == "/" else f"{group}/{name}"
        return place(
            self.content(absolute, str(choice)), package or name.strip("/").replace("/", ".")
        )

    def part(self, group: str, target: str | None) -> Node:
        """The keys of a choice: of all files of the group that have the same `_target_`."""
        contents = [self.content(group, choice) for choice in self.choices.get(group, [])]
        node = Node()
        for content in contents:
            if content.get("_target_") == target:
                node = node.merge(Node.of(content))
        return node

    def has_targets(self, group: str) -> bool:
        """Whether the group's choices are things to build, rather than plain settings."""
        return any("_target_" in self.content(group, c) for c in self.choices.get(group, []))

    def owners(self, group: str, path: str) -> list[str]:
        """The choices of a group that have a key."""
        choices = self.choices.get(group, [])
        return [c for c in choices if Node.of(self.content(group, c)).at(path) is not None]

    def tree(self, content: dict[str, Any]) -> Node:
        """The keys that a composed configuration may have, each part by its `_target_`."""
        root = Node().merge(self.skeleton)
        for path, group in self.slots.items():
            part = lookup(content, path)
            if isinstance(part, dict):
                root.put(path, self.part(group, part.get("_target_")))
        return root

    def loose_tree(self) -> Node:
        """The keys that some choice has, for a file that is read before it is composed."""
        root = Node().merge(self.skeleton)
        for path, group in self.slots.items():
            if root.at(path) is None:
                continue  # of no place of its own: an experiment
            node = Node()
            for choice in self.choices.get(group, []):
                node = node.merge(Node.of(self.content(group, choice)))
            root.put(path, node)
        return root


@cache
def _parsed(file: Path) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(OmegaConf.load(file))
    return content if isinstance(content, dict) else {}
