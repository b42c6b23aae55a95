"""What the files of conf/ say of their choices and keys: the tables of overrides, and `--help`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from handpose.config.catalogue import CONF, REFERENCE, Catalogue
from handpose.config.tree import lookup

_COMMENT = re.compile(r"\s#\s(.*)$")
SHARED = "base_"  # experiments that others build on
MANY = 12  # choices: more are counted, and listed elsewhere
# What `--help` lists.
_MAIN_KEYS = (
    *("seed", "init_from"),
    *("pretrain.max_epochs", "pretrain.batch_size", "pretrain.positives"),
    *("finetune.max_epochs", "finetune.batch_size", "finetune.label_fraction"),
    *("finetune.freeze_backbone", "evaluate.split"),
    *("dataset.image_size", "backbone.weights", "optimizer.lr", "optimizer.weight_decay"),
    *("head.root_depth", "trainer.devices", "trainer.precision", "trainer.num_workers"),
    *("paths.data", "paths.cache", "paths.runs", "sweep"),
)


def ordered(catalogue: Catalogue, group: str) -> list[str]:
    """The choices of a group, in order of the numbers in them, the default first."""
    default = defaults(catalogue, group).get(group)
    parts = [
        [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", c)]
        for c in catalogue.choices[group]
    ]
    names = ["".join(map(str, part)) for part in sorted(parts)]
    return sorted(names, key=lambda choice: choice != default)


def defaults(catalogue: Catalogue, group: str) -> dict[str, str | None]:
    """{where a choice of the group lies: the default there}."""
    entries = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    chosen = {k: v for entry in entries if isinstance(entry, dict) for k, v in entry.items()}
    slots = [slot for name, slot in catalogue.selectors if name == group]
    return {slot: chosen[group if slot == group else f"{group}@{slot}"] for slot in slots}


def comments(file: Path) -> dict[str, str]:
    """{dotted path: the comment behind it} of the keys of a YAML file."""
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = {path: _COMMENT.search(lines[place]) for path, place in _lines(yaml.compose(text))}
    return {path: comment[1] if comment else "" for path, comment in found.items()}


def _lines(node: Any, prefix: str = "") -> Iterator[tuple[str, int]]:
    """(dotted path, number of its line) of each key."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        yield f"{prefix}{key.value}", key.start_mark.line
        yield from _lines(value, f"{prefix}{key.value}.")


def shown(value: Any) -> str:
    """As it is written on the command line; a reference as the key that it is equal to."""
    if isinstance(value, str) and (match := REFERENCE.fullmatch(value)):
        return f"that of {match[1]}"
    words = {None: "null", True: "true", False: "false"}
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return words.get(value, str(value)) if isinstance(value, bool | None) else str(value)


def help_choices(catalogue: Catalogue) -> str:
    """A line for each group with a choice: its choices, the default first."""
    groups = dict.fromkeys(
        group for group, _ in catalogue.selectors if len(catalogue.choices[group]) > 1
    )
    return "\n".join(f"{group}: {_listed(catalogue, group)}" for group in groups)


def _listed(catalogue: Catalogue, group: str) -> str:
    choices = ordered(catalogue, group)
    if len(choices) <= MANY:
        return ", ".join(choices)
    count = sum(not choice.startswith(SHARED) for choice in choices)
    return f"{count} files, listed in docs/guide/{group}s.md"


def help_keys(catalogue: Catalogue) -> str:
    """A line for each of the main keys: its default, and the comment behind it."""
    rows = [_main_key(key, catalogue) for key in _MAIN_KEYS]
    width = max(len(written) for written, _ in rows)
    lines = [f"{written:{width}}  {meaning}" for written, meaning in rows]
    return "\n".join(lines).replace("$", "$$")  # Hydra takes it for a template


def _main_key(key: str, catalogue: Catalogue) -> tuple[str, str]:
    """(KEY=DEFAULT, meaning), of the run's own file or of the default choice's."""
    group, _, path = key.partition(".")
    choice = defaults(catalogue, group).get(group) if group in catalogue.choices else None
    if choice is None:
        file, path = CONF / "config.yaml", key
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    else:
        file = CONF / group / f"{choice}.yaml"
        content = catalogue.content(group, choice)
    return f"{key}={shown(lookup(content, path))}", comments(file)[path]
