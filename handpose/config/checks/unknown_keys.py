"""Messages on unknown keys and choices, with the nearest right names."""

import re
from collections.abc import Sequence
from typing import Any

from handpose.config.catalogue import BASE, Catalogue
from handpose.config.checks.trainer_flags import refused_flag
from handpose.config.content import Content, has, lookup, paths
from handpose.messages import did_you_mean, nearest

# Keys that Hydra itself reads in a part.
_OF_HYDRA = ("_target_", "_partial_")
_NO_READER = "no reader yet; dataset=manifest takes any labelled images (docs/guide/sources.md)"
_OF_TIMM = "it is one of timm: optimizer=timm optimizer.opt={}"
# {name of a choice in other projects, without - and _: the choice here, or what to do instead}
_CHOICES: dict[str, dict[str, str]] = {
    "objective": dict.fromkeys(("simclr", "ntxent", "invariant"), "contrastive")
    | dict.fromkeys(("peclr", "equivariance"), "equivariant")
    | dict.fromkeys(("supervised", "baseline", "scratch"), "none"),
    "backbone": {"hrnet": "hrnet_w18", "vit": "vit_small", "convnext": "convnext_tiny"}
    | {f"{short}{depth}": f"resnet{depth}" for short in ("r", "rn") for depth in (18, 34, 50, 101)},
    "dataset": dict.fromkeys(("interhand2.6m", "interhand26m"), "interhand")
    | dict.fromkeys(("panoptic", "cmu"), "mpii")
    | dict.fromkeys(("images", "imagefolder", "unlabelled"), "folder")
    | dict.fromkeys(("h2o", "arctic"), _NO_READER)
    | dict.fromkeys(("cvat", "roboflow", "onehand10k", "wholebody", "cocowholebody"), "coco"),
    "head": dict.fromkeys(("linear", "mlp"), "regression"),
    "optimizer": {name: _OF_TIMM.format(name) for name in ("lamb", "rmsprop", "lion", "muon")},
    "logger": {"none": "csv", "wb": "wandb", "tb": "tensorboard"},
    "trainer": {"cuda": "gpu", "fast": "debug"},
}
# {name of a key or group in other projects: the key here}
_KEYS = {
    "learning_rate": "optimizer.lr",
    "gpus": "trainer.devices",
    "workers": "trainer.num_workers",
    "model": "backbone",
    "data_dir": "paths.data",
    "output_dir": "hydra.run.dir",
    "pretrained": "backbone.weights",
    "resume": "hydra.run.dir",
}


def no_such_choice(choice: str, choices: Sequence[str], group: str = "") -> str:
    """Return that a choice does not exist, with the existing ones.

    Args:
        choice: the unknown name, as typed.
        choices: the existing choices of the group.
        group: name of the group; adds hints on names from other projects.
    """
    choices = [name for name in choices if not name.startswith(BASE)]
    plain = _plain(choice)
    same = next((other for other in choices if _plain(other) == plain), None)
    meant = same or _CHOICES.get(group, {}).get(plain)
    if meant and meant not in choices:
        hint = f"; {meant}"
    else:
        hint = did_you_mean([meant] if meant else nearest(choice, choices))
    return f"no such choice{hint} (choices: {', '.join(choices) or 'none'})"


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())


def unknown_keys(content: Content, tree: Content, catalogue: Catalogue) -> list[str]:
    """Return a problem for each unknown key of a configuration.

    Args:
        content: the configuration, as nested dicts.
        tree: the keys that it may have, as nested dicts.
        catalogue: the existing groups, choices and keys.
    """
    return [key_problem(path, tree, catalogue) for path in _missing(content, tree)]


def _missing(content: Content, tree: Any, prefix: str = "") -> list[str]:
    """Return the topmost unknown paths; a tree without keys allows any."""
    if not isinstance(tree, dict) or not tree:
        return []
    found = []
    for key, value in content.items():
        if key in tree and isinstance(value, dict):
            found += _missing(value, tree[key], f"{prefix}{key}.")
        elif key not in tree and key not in _OF_HYDRA:
            found.append(f"{prefix}{key}")
    return found


def key_problem(path: str, tree: Content, catalogue: Catalogue) -> str:
    """Return that a key is unknown, with the nearest right one.

    Args:
        path: dotted path of the unknown key.
        tree: the existing keys, as nested dicts.
        catalogue: the existing groups, choices and keys.
    """
    if refusal := refused_flag(path):
        return refusal
    known = _KEYS.get(path)
    if near := [known] if known else spelled_like(path.split("."), tree):
        return f"{path}: no such key{did_you_mean(near)}"
    missing = first_missing(path, tree)
    parent, _, name = missing.rpartition(".")
    siblings = lookup(tree, parent) if parent else tree
    near = [f"{parent}.{other}".lstrip(".") for other in nearest(name, siblings or ())]
    owners = _owners(missing, catalogue)
    if owners and not near:
        return f"{missing}: no such key here; it belongs to {' and '.join(owners)}"
    if not near:
        elsewhere = [known for known in paths(tree) if known.endswith(f".{name}")]
        near = (elsewhere if parent else meant(name, catalogue))[:4]
    if not parent:
        near += _groups_like(name, path.removeprefix(missing), catalogue)
    return f"{missing}: no such key{did_you_mean(list(dict.fromkeys(near)))}"


def spelled_like(names: list[str], tree: Any) -> list[str]:
    """Return the paths whose every name is spelled like the one in `names`.

    Args:
        names: the parts of a dotted path, as typed.
        tree: the existing keys, as nested dicts.
    """
    if not names:
        return [""]
    if not isinstance(tree, dict):
        return []
    like = [names[0]] if names[0] in tree else nearest(names[0], tree)
    return [
        f"{name}.{rest}".rstrip(".")
        for name in like
        for rest in spelled_like(names[1:], tree[name])
    ]


def first_missing(path: str, tree: Content) -> str:
    """Return a path up to its first unknown name.

    Args:
        path: dotted path.
        tree: the existing keys, as nested dicts.
    """
    names = path.split(".")
    starts = [".".join(names[:depth]) for depth in range(1, len(names) + 1)]
    return next((start for start in starts if not has(tree, start)), path)


def _owners(path: str, catalogue: Catalogue) -> list[str]:
    """Return the choices that have a key which the chosen one lacks (`dataset=synthetic`)."""
    for slot, group in catalogue.slots.items():
        if path.startswith(f"{slot}."):
            owners = catalogue.owners(group, path.removeprefix(f"{slot}."))
            return [f"{group}={choice}" for choice in owners]
    return []


def meant(name: str, catalogue: Catalogue) -> list[str]:
    """Return the keys and groups with a last name like `name`, in both stages.

    Args:
        name: name of a key or group, as typed.
        catalogue: the existing groups, choices and keys.
    """
    if known := _KEYS.get(name):
        return [known]
    copies = tuple(f"{slot}." for slot, group in catalogue.slots.items() if slot != group)
    keys = [*paths(catalogue.whole_tree), *catalogue.choices]
    keys = [
        k for k in keys if not k.startswith(copies) and ".parts." not in k and ".caps." not in k
    ]
    if name in keys:
        return [name]
    last = name.rpartition(".")[2]
    names = [last, *nearest(last, {key.rpartition(".")[2] for key in keys})]
    found = [key for wanted in names for key in keys if key.rpartition(".")[2] == wanted]
    return list(dict.fromkeys(found))


def _groups_like(name: str, rest: str, catalogue: Catalogue) -> list[str]:
    """Return groups or Hydra keys that an unknown first name may mean."""
    groups = [group for group in catalogue.choices if "/" not in group]
    return [f"hydra{rest}" if n == "hydra" else n for n in nearest(name, [*groups, "hydra"])]


def override_key_problem(path: str, content: Content, catalogue: Catalogue) -> str | None:
    """Return what is wrong with a key of the command line.

    Args:
        path: dotted path of the key, as typed.
        content: the composed configuration, with references unresolved.
        catalogue: the existing groups, choices and keys.
    """
    for slot, group in catalogue.slots.items():
        if path.startswith(f"{slot}.") and isinstance(lookup(content, slot), str):
            return _follows(path, slot, group, catalogue)
        if path.startswith(f"{slot}.") and has(content, slot) and lookup(content, slot) is None:
            return f"{path}: {slot} is null here; add {group}@{slot}=CHOICE to the same line"
        if path == slot and path != group:
            return f"{path}: is chosen, not set; write {group}@{path}=CHOICE"
    tree, parent = catalogue.tree(content), path.rpartition(".")[0]
    missing = first_missing(path, tree)
    above = lookup(tree, missing.rpartition(".")[0]) if "." in missing else tree
    if not has(tree, path) and isinstance(above, dict) and above:
        return key_problem(path, tree, catalogue)
    if has(tree, parent) and lookup(content, parent) is None:
        owners = _owners(path, catalogue)
        choose = f"choose {' or '.join(owners)} first" if owners else f"set all of {parent} at once"
        return f"{path}: {parent} is null here, so it has no keys; {choose}"
    return None


def _follows(path: str, slot: str, group: str, catalogue: Catalogue) -> str:
    """Return what to write instead of a key below a reference to the shared part."""
    own = f"choose its own on the same line ({group}@{slot}=CHOICE {path}=...), or "
    own = own if (group, slot) in catalogue.defaults else ""
    key = path.removeprefix(f"{slot}.")
    return f"{path}: {slot} follows `{group}` here; {own}set {group}.{key}"
