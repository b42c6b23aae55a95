"""The catalogue of conf/: its groups, their choices, and the keys of each."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, reduce
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from handpose.augment.settings import BOUNDS, SINGLE, WORDS
from handpose.config.schema import CONF, Key, parse_rule, read_keys, rule_of_default
from handpose.messages import first_line

# A value that is only a reference to another key.
REFERENCE = re.compile(r"\$\{([\w.]+)\}")
BASE = "base_"  # experiments that others build on
_GLOBAL = re.compile(r"^#\s*@package\s+_global_\s*$", re.MULTILINE)
_ABSENT = object()
Content = dict[str, Any]
# The rules of an augmentation come from its class, which makes the same checks.
_AUGMENT = {
    name: parse_rule(f"{'' if name in SINGLE else 'range '}{low}..{high}")
    for name, (low, high) in BOUNDS.items()
} | {name: parse_rule("|".join(words)) for name, words in WORDS.items()}


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
                groups.setdefault(file.parent.relative_to(root).as_posix(), []).append(file.stem)
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
