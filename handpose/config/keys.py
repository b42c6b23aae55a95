"""Unknown keys, each with the nearest right name."""

from typing import Any

from handpose.config.aliases import known_key
from handpose.config.catalogue import Catalogue
from handpose.config.refusal import did_you_mean, nearest
from handpose.config.tree import Node, lookup

# What Hydra itself reads in a part.
_HYDRA_KEYS = ("_target_", "_partial_")


def unknown_keys(content: dict[str, Any], root: Node, catalogue: Catalogue) -> list[str]:
    """A problem for each key of a configuration that `root` does not have."""
    return [key_problem(path, root, catalogue) for path in _unknown(content, root)]


def _unknown(content: dict[str, Any], node: Node, prefix: str = "") -> list[str]:
    """The topmost paths that the tree does not have; a node without keys is open."""
    paths = []
    for key, value in content.items():
        child = node.children.get(str(key))
        if child is None and node.children and key not in _HYDRA_KEYS:
            paths.append(f"{prefix}{key}")
        elif child is not None and isinstance(value, dict):
            paths += _unknown(value, child, f"{prefix}{key}.")
    return paths


def key_problem(path: str, root: Node, catalogue: Catalogue) -> str:
    """Says that a key is unknown, and which one was meant."""
    known = known_key(path)
    whole = [known] if known else spelled_like(path.split("."), root)
    if whole:
        return f"{path}: no such key{did_you_mean(whole)}"
    missing = _up_to_missing(path, root)
    parent, _, name = missing.rpartition(".")
    siblings = root.at(parent) if parent else root
    prefix = f"{parent}." if parent else ""
    names = [prefix + near for near in nearest(name, siblings.children if siblings else ())]
    others = [known for known in root.paths() if known.endswith(f".{name}")]
    names = names or (others if parent else meant(name, catalogue))[:4]
    owners = _owners(missing, catalogue)
    if owners and not any(known.startswith(prefix) for known in names):
        return f"{missing}: no such key here; it belongs to {' and '.join(owners)}"
    names = (
        names if parent else names + _beside_the_keys(name, path.removeprefix(missing), catalogue)
    )
    return f"{missing}: no such key{did_you_mean(list(dict.fromkeys(names)))}"


def meant(name: str, catalogue: Catalogue) -> list[str]:
    """The keys and groups of that name, or of one like it; for both stages where there are two."""
    copies = tuple(f"{slot}." for slot, group in catalogue.slots.items() if slot != group)
    paths = [*catalogue.loose_tree().paths(), *catalogue.choices]
    inner = (".parts.", ".caps.")
    keys = [p for p in paths if not p.startswith(copies) and not any(i in p for i in inner)]
    if known := known_key(name) or next((key for key in keys if key == name), None):
        return [known]
    last = name.rpartition(".")[2]
    names = [last, *nearest(last, {key.rpartition(".")[2] for key in keys})]
    found = [key for wanted in names for key in keys if key.rpartition(".")[2] == wanted]
    return list(dict.fromkeys(found))


def _beside_the_keys(name: str, rest: str, catalogue: Catalogue) -> list[str]:
    """What a first name may have meant that is no key of a run: a group, or one of Hydra's keys."""
    near = nearest(name, [*(group for group in catalogue.choices if "/" not in group), "hydra"])
    return [f"hydra{rest}" if other == "hydra" else other for other in near]


def spelled_like(names: list[str], node: Node) -> list[str]:
    """The whole paths of the tree that are spelled most like `names`; none where it goes deeper."""
    if not names:
        return [""]
    known = [names[0]] if names[0] in node.children else nearest(names[0], node.children)
    return [
        f"{name}.{rest}".rstrip(".")
        for name in known
        for rest in spelled_like(names[1:], node.children[name])
    ]


def _up_to_missing(path: str, root: Node) -> str:
    """A path as far as its first name that the tree does not have."""
    names = path.split(".")
    paths = [".".join(names[:depth]) for depth in range(1, len(names) + 1)]
    return next((above for above in paths if root.at(above) is None), path)


def _owners(path: str, catalogue: Catalogue) -> list[str]:
    """The choices that have the key, when the chosen one has not: `dataset=synthetic`."""
    for slot, group in catalogue.slots.items():
        if path.startswith(f"{slot}."):
            owners = catalogue.owners(group, path.removeprefix(f"{slot}."))
            return [f"{group}={choice}" for choice in owners]
    return []


def override_key_problem(path: str, content: dict[str, Any], catalogue: Catalogue) -> str | None:
    """What is wrong with a key of the command line, given the configuration it would change."""
    root = catalogue.tree(content)
    for slot, group in catalogue.slots.items():
        if path.startswith(f"{slot}.") and isinstance(lookup(content, slot), str):
            return _follows(path, slot, group, catalogue)
        if path == slot and path != group:
            return f"{path}: is chosen, not set; write {group}@{path}=CHOICE"
    return _first_missing(path, root, catalogue) or _below_null(path, content, root, catalogue)


def _below_null(path: str, content: dict[str, Any], root: Node, catalogue: Catalogue) -> str | None:
    """A key below one that is null here and filled in another choice: `trainer.caps`."""
    parent = path.rpartition(".")[0]
    if root.at(parent) is None or lookup(content, parent) is not None:
        return None
    owners = _owners(path, catalogue)
    choose = f"choose {' or '.join(owners)} first" if owners else f"set all of {parent} at once"
    return f"{path}: {parent} is null here, so it has no keys; {choose}"


def _first_missing(path: str, root: Node, catalogue: Catalogue) -> str | None:
    names = path.split(".")
    for depth in range(1, len(names) + 1):
        above = root.at(".".join(names[: depth - 1])) if depth > 1 else root
        if above is None or above == Node():
            return None  # of a part that conf/ does not know
        if names[depth - 1] not in above.children:
            return key_problem(path, root, catalogue)
    return None


def _follows(path: str, slot: str, group: str, catalogue: Catalogue) -> str:
    """A key below a stage's part that is but a reference to the part of both stages."""
    key = path.removeprefix(f"{slot}.")
    own = f"choose its own on the same line ({group}@{slot}=CHOICE {path}=...), or "
    own = own if (group, slot) in catalogue.selectors else ""
    return f"{path}: {slot} follows `{group}` here; {own}set {group}.{key}"
