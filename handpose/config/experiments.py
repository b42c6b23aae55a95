"""Experiment files, read on their own: a wrong key in one would merge without an error."""

import re

import yaml
from hydra.core.override_parser.types import Override

from handpose.config.catalogue import Catalogue
from handpose.config.keys import unknown_keys
from handpose.config.overrides import named_choices

_GLOBAL = re.compile(r"^#\s*@package\s+_global_\s*$", re.MULTILINE)


def experiment_problems(override: Override, catalogue: Catalogue) -> list[str]:
    """A problem for each unknown key of the `_global_` files that an override chooses."""
    group = override.key_or_group
    return [
        f"conf/{group}/{choice}.yaml: {problem}"
        for choice in named_choices(override)
        for problem in _file_problems(group, choice, catalogue)
    ]


def _file_problems(group: str, choice: str, catalogue: Catalogue) -> list[str]:
    file = catalogue.file(group, choice)
    if file is None or not _GLOBAL.search(file.read_text(encoding="utf-8")):
        return []
    content = catalogue.content(group, choice)
    content.pop("hydra", None)
    return unknown_keys(content, catalogue.loose_tree(), catalogue)


def primary_problems(name: str, catalogue: Catalogue) -> list[str]:
    """A problem for each unknown key that the file of `--config-name` sets itself."""
    file = catalogue.file("", name)
    content = yaml.safe_load(file.read_text(encoding="utf-8")) if file else None
    if name == "config" or not isinstance(content, dict):
        return []
    own = {key: value for key, value in content.items() if key not in ("defaults", "hydra")}
    found = unknown_keys(own, catalogue.loose_tree(), catalogue)
    return [f"{file}: {problem}" for problem in found]
