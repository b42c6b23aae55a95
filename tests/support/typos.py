"""Mistyped overrides of every public key and choice, made by rule: what the checks are held to."""

import random
import string
from collections.abc import Iterator
from typing import NamedTuple

from handpose.config.catalogue import BASE, Catalogue
from handpose.config.content import leaves, paths

PREFIXES = ("", "+", "++")
# Hydra's own, as the documentation names them.
_HYDRA_KEYS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.mode")


class Typo(NamedTuple):
    """An override with one slip, the choices that come before it, and the name that was meant."""

    context: tuple[str, ...]
    written: str
    meant: str


def slips(name: str, rng: random.Random) -> list[str]:
    """`name` with a letter dropped, two swapped, one doubled and one replaced, each at random."""
    letters = [place for place, letter in enumerate(name) if letter.isalpha()]
    pairs = [at for at in letters if at + 1 in letters and name[at] != name[at + 1]]
    drop, double, change = (rng.choice(letters) for _ in range(3))
    other = rng.choice([c for c in string.ascii_lowercase if c != name[change].lower()])
    found = [
        name[:drop] + name[drop + 1 :],
        name[:double] + name[double] + name[double:],
        name[:change] + other + name[change + 1 :],
    ]
    if pairs:
        swap = rng.choice(pairs)
        found.append(name[:swap] + name[swap + 1] + name[swap] + name[swap + 2 :])
    return found


def public_keys(catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    """Each key that can be set -> the choices without which it is not there.

    A stage's own choice has the keys of the group's. Each choice is taken for one stage, in turn.
    """
    groups = {group for group, _ in catalogue.defaults if group != "experiment"}
    skeleton = [path for path in paths(catalogue.tree({})) if path not in catalogue.slots]
    keys: dict[str, tuple[str, ...]] = dict.fromkeys((*skeleton, *_HYDRA_KEYS), ())
    for group, slot in catalogue.defaults:
        copies = [own for name, own in catalogue.defaults if name == group != own]
        choices = catalogue.choices[group] if group in groups else []
        if slot in copies:
            choices = choices[copies.index(slot) :: len(copies)]
        for choice in choices:
            for key, _ in leaves(catalogue.content(group, choice)):
                keys.setdefault(f"{slot}.{key}", (f"{_selector(group, slot)}={choice}",))
    return keys


def _selector(group: str, slot: str) -> str:
    return group if slot == group else f"{group}@{slot}"


def all_typos(catalogue: Catalogue, *, seed: int) -> Iterator[Typo]:
    """Every key, group and choice, mistyped in four ways, each with every prefix."""
    rng = random.Random(seed)
    keys = public_keys(catalogue)
    others = {path for name in keys for path in _beginnings(name)}
    for key, context in keys.items():
        yield from _with_prefixes(
            context, [(wrong, "1") for wrong in slips(key, rng) if wrong not in others], key
        )
    selectors = {_selector(group, slot): group for group, slot in catalogue.defaults}
    for name, group in selectors.items():
        choices = catalogue.choices[group]
        yield from _with_prefixes(
            (), [(w, choices[0]) for w in slips(name, rng) if w not in selectors], name
        )
        for choice in (name for name in choices if not name.startswith(BASE)):
            yield from _with_prefixes(
                (), [(name, w) for w in slips(choice, rng) if w not in choices], choice
            )


def _beginnings(name: str) -> list[str]:
    """A dotted path, and those above it."""
    names = name.split(".")
    return [".".join(names[:depth]) for depth in range(1, len(names) + 1)]


def _with_prefixes(
    context: tuple[str, ...], written: list[tuple[str, str]], meant: str
) -> Iterator[Typo]:
    for key, value in written:
        for prefix in PREFIXES:
            yield Typo(context, f"{prefix}{key}={value}", meant)
