"""The catalogue of conf/: its groups, their choices, and the keys of each."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property, reduce
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from handpose.augment.settings import BOUNDS, SINGLE, WORDS
from handpose.config.content import (
    Content,
    has,
    leaves,
    lookup,
    overlay,
    place,
    union,
)
from handpose.config.schema import CONF, Key, parse_rule, read_keys, rule_of_default

# A value that is only a reference to another key.
REFERENCE = re.compile(r"\$\{([\w.]+)\}")
BASE = "base_"  # experiments that others build on
NO_GROUPS = ("wandb",)  # folders of conf/ with files for other programs
_GLOBAL = re.compile(r"^#\s*@package\s+_global_\s*$", re.MULTILINE)
# The rules of an augmentation come from its class, which makes the same checks.
_AUGMENT = {
    name: parse_rule(f"{'' if name in SINGLE else 'range '}{low}..{high}")
    for name, (low, high) in BOUNDS.items()
} | {name: parse_rule("|".join(words)) for name, words in WORDS.items()}


@dataclass(frozen=True)
class Catalogue:
    """The files in `roots`: conf/, and the folders that a user adds to the search path."""

    roots: tuple[Path, ...] = (CONF,)

    @cached_property
    def _main(self) -> Content:
        return parsed(self.roots[0] / "config.yaml")

    @cached_property
    def settings(self) -> Content:
        """Return the keys of conf/config.yaml and their defaults, without Hydra's keys."""
        return {key: self._main[key] for key in self._main if key not in ("defaults", "hydra")}

    @cached_property
    def defaults(self) -> dict[tuple[str, str], str | None]:
        """Return the default choice of each (group, key of the choice)."""
        entries = [entry for entry in self._main["defaults"] if isinstance(entry, dict)]
        named = {name: choice for entry in entries for name, choice in entry.items()}
        return {(name.split("@")[0], name.split("@")[-1]): named[name] for name in named}

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """Return the choices of each group, the default first."""
        groups: dict[str, list[str]] = {group: [] for group, _ in self.defaults}
        for root in self.roots:
            for file in sorted(root.glob("*/**/*.yaml"), key=_in_numeric_order):
                group = file.parent.relative_to(root).as_posix()
                if group not in NO_GROUPS:
                    groups.setdefault(group, []).append(file.stem)
        for group, names in groups.items():
            names.sort(key=lambda name: name != self.defaults.get((group, group)))
        return groups

    @cached_property
    def slots(self) -> dict[str, str]:
        """Return the group of each key that holds a choice, or refers to one."""
        found = {slot: group for group, slot in self.defaults if not self._is_global(group)}
        for path, value in leaves(self.settings):
            match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
            if match and match[1] in found:
                found.setdefault(path, found[match[1]])
        return found

    def followers(self, group: str) -> list[str]:
        """Return the keys that take a group's choice unless they have their own, if any."""
        return [slot for slot, own in self.slots.items() if own == group and self._follows(slot)]

    def _follows(self, slot: str) -> bool:
        value = lookup(self.settings, slot, None)
        return isinstance(value, str) and REFERENCE.fullmatch(value) is not None

    def may_be_null(self, slot: str) -> bool:
        """Return whether a key that holds a choice may have none, as `evaluate.dataset`."""
        return lookup(self.settings, slot, "") is None

    def _is_global(self, group: str) -> bool:
        """Return whether a group's files set keys of the whole run, as experiments do."""
        return any(self.is_global(group, choice) for choice in self.choices[group])

    def is_global(self, group: str, choice: str) -> bool:
        """Return whether a file sets keys of the whole run.

        Args:
            group: folder of the file below a root, such as `experiment`.
            choice: name of the file, with or without `.yaml`.
        """
        file = self.file(group, choice)
        return file is not None and bool(_GLOBAL.search(file.read_text(encoding="utf-8")))

    def file(self, group: str, choice: str) -> Path | None:
        """Return the file of a choice, or None.

        Args:
            group: folder of the file below a root, such as `backbone`.
            choice: name of the file, with or without `.yaml`.
        """
        files = [root / group / f"{choice.removesuffix('.yaml')}.yaml" for root in self.roots]
        return next((file for file in files if file.is_file()), None)

    def content(self, group: str, choice: str) -> Content:
        """Return what a file holds, with its own defaults followed.

        Args:
            group: folder of the file below a root, such as `backbone`.
            choice: name of the file, with or without `.yaml`; a missing file counts as empty.
        """
        file = self.file(group, choice)
        own = dict(parsed(file)) if file else {}
        below: Content = {}
        for entry in own.pop("defaults", None) or []:
            below = overlay(below, self._default(group, entry))
        return overlay(below, own)

    def _default(self, group: str, entry: Any) -> Content:
        """Return what an entry of a defaults list adds, except overrides of other groups."""
        name, choice = next(iter(entry.items())) if isinstance(entry, dict) else (entry, None)
        name, _, package = str(name).removeprefix("optional ").partition("@")
        if name.startswith("override ") or name == "_self_" or package.startswith("_global_"):
            return {}
        absolute = name[1:] if name[0] == "/" else f"{group}/{name}"
        if choice is None:  # GROUP/CHOICE, placed here
            absolute, _, choice = absolute.rpartition("/")
            return place(self.content(absolute, choice), package.removeprefix("_here_"))
        package = package or name.strip("/").replace("/", ".")
        return place(self.content(absolute, str(choice)), package)

    def keys(self, group: str = "") -> dict[str, Key]:
        """Return the keys of a group's choices, or of conf/config.yaml: {dotted path: key}.

        If several files declare a key, the first one counts.
        """
        return _keys(self, group)

    def part(self, group: str, target: str | None) -> Content:
        """Return the keys of a choice, from all files of the group with the same `_target_`.

        Args:
            group: name of the group, such as `backbone`.
            target: the `_target_` to match; None matches files without one.
        """
        contents = [self.content(group, choice) for choice in self.choices.get(group, [])]
        return _united(c for c in contents if c.get("_target_") == target)

    def has_targets(self, group: str) -> bool:
        """Return whether the choices of a group build objects, rather than hold settings."""
        return any("_target_" in self.content(group, c) for c in self.choices.get(group, []))

    def owners(self, group: str, path: str) -> list[str]:
        """Return the choices of a group that have a key.

        Args:
            group: name of the group, such as `backbone`.
            path: dotted path of the key inside the choice.
        """
        return [c for c in self.choices.get(group, []) if has(self.content(group, c), path)]

    def tree(self, content: Content) -> Content:
        """Return the keys that a composed configuration may have, each part by its `_target_`."""
        parts = {slot: lookup(content, slot) for slot in self.slots}
        found = {
            slot: self.part(self.slots[slot], part.get("_target_"))
            for slot, part in parts.items()
            if isinstance(part, dict)
        }
        return self._tree(found)

    @cached_property
    def whole_tree(self) -> Content:
        """Return the keys of all choices, for a file that is read before it is composed."""
        return self._tree({slot: _united(self._contents(g)) for slot, g in self.slots.items()})

    def _tree(self, parts: dict[str, Content]) -> Content:
        tree: Content = {}
        for slot in self.slots:
            tree = overlay(tree, place(None, slot))
        tree = overlay(tree, self.settings)
        for slot, part in parts.items():
            tree = overlay(tree, place(part, slot))
        return tree

    def _contents(self, group: str) -> list[Content]:
        return [self.content(group, choice) for choice in self.choices.get(group, [])]


def _united(contents: Iterable[Content]) -> Content:
    return reduce(union, contents, {})


@cache
def _keys(catalogue: Catalogue, group: str) -> dict[str, Key]:
    content = _united(catalogue._contents(group)) if group else catalogue.settings
    choices = catalogue.choices[group] if group else ["config"]
    files = [file for choice in choices if (file := catalogue.file(group, choice))]
    found = {path: Key(rule=rule_of_default(value)) for path, value in leaves(content)}
    if group == "augment":
        found |= {path: Key(rule=rule) for path, rule in _AUGMENT.items()}
    for path, key in [item for file in reversed(files) for item in read_keys(file).items()]:
        old = found.get(path, Key())
        found[path] = Key(key.meaning or old.meaning, key.rule or old.rule, key.marks or old.marks)
    return found


def _in_numeric_order(file: Path) -> list[tuple[int, str]]:
    return [(int(p) if p.isdigit() else 0, p) for p in re.split(r"(\d+)", file.stem)]


@cache
def parsed(file: Path) -> Content:
    """Return the content of a YAML file as plain values."""
    content: Any = OmegaConf.to_container(OmegaConf.load(file))
    return content if isinstance(content, dict) else {}
