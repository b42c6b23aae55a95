"""Every file of conf/ says what its target takes, and composes."""

import inspect
import re
from importlib import import_module
from inspect import Parameter
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir

from handpose.config.catalogue import CONF, Catalogue
from handpose.config.checks.composed import find_problems
from handpose.config.checks.safety import class_value, documented_layout
from handpose.config.content import paths
from handpose.config.schema import register

# What the run itself hands to each part, beside the file's keys.
_PART = {"channels", "strides", "embedding_dim", "image_size"}
SUPPLIED: dict[str, set[str]] = {
    "objective": _PART | {"augmentation"},
    "head": _PART | {"reference_bone"},
    "dataset": {"split", "max_samples"},
}
CATALOGUE = Catalogue()
CHOICES = [(group, name) for group, names in CATALOGUE.choices.items() for name in names]
CHOICES = [(group, name) for group, name in CHOICES if not group.startswith("hydra")]


def target_of(group: str, choice: str) -> str | None:
    return CATALOGUE.content(group, choice).get("_target_")


OURS = [pair for pair in CHOICES if (target_of(*pair) or "").startswith("handpose.")]


def keywords(target: Any) -> dict[str, bool]:
    """name -> required, of a function's or class's keywords."""
    return {name: default is Parameter.empty for name, default in parameters_of(target).items()}


def defaults(target: Any) -> dict[str, Any]:
    """name -> default, of the keywords that have one."""
    found = parameters_of(target)
    return {name: value for name, value in found.items() if value is not Parameter.empty}


def parameters_of(target: Any) -> dict[str, Any]:
    """name -> default, of a function's or class's keywords; **contract leads to the base class."""
    inits = (
        [c.__init__ for c in target.__mro__ if "__init__" in vars(c)]
        if inspect.isclass(target)
        else [target]
    )
    found: dict[str, Any] = {}
    for function in inits:
        parameters = [
            p for p in inspect.signature(function).parameters.values() if p.name != "self"
        ]
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(parameter.name, parameter.default)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


KEYS = sorted({name for path in paths(CATALOGUE.settings) for name in path.split(".")})


def readers() -> str:
    """What acts on the configuration; the schema and the checks only know what it may be."""
    package = CONF.parent / "handpose"
    files = set(package.rglob("*.py")) - set((package / "config").rglob("*.py"))
    return "\n".join(path.read_text() for path in files)


def test_every_key_has_a_reader() -> None:
    """A key that nobody reads would be taken, checked, and without effect."""
    code = readers()
    assert len(KEYS) > 30
    unread = [key for key in KEYS if not re.search(rf"(\.{key}\b|\"{key}\"|\b{key}:)", code)]
    assert unread == []


def test_something_is_tested() -> None:
    assert len(CHOICES) >= 20
    assert len({group for group, _ in OURS}) >= 4


@pytest.mark.parametrize(("group", "choice"), OURS)
def test_keys_are_those_of_the_target(group: str, choice: str) -> None:
    module, _, name = str(target_of(group, choice)).rpartition(".")
    accepted = keywords(getattr(import_module(module), name))
    keys = {key for key in CATALOGUE.content(group, choice) if key not in ("_target_", "_partial_")}
    supplied = SUPPLIED.get(group, set())
    assert keys <= set(accepted), f"not taken by {name}: {sorted(keys - set(accepted))}"
    required = {key for key, needed in accepted.items() if needed} - (supplied & set(accepted))
    assert required <= keys, f"needed by {name}: {sorted(required - keys)}"


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes(group: str, choice: str) -> None:
    register()
    # Every source can be pre-trained on, and not every one has joints for a head.
    chosen = [f"{group}={choice}", *(["head=none"] if group == "dataset" else [])]
    if class_value(target_of(group, choice), "fits_backbones"):
        chosen.append("backbone=vit_small")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=chosen)
    # Data that this machine lacks is no fault of the file.
    assert [p for p in find_problems(cfg, CATALOGUE) if ".root=" not in p] == []


@pytest.mark.parametrize("choice", CATALOGUE.choices["dataset"])
def test_a_source_documents_its_layout(choice: str) -> None:
    content = CATALOGUE.content("dataset", choice)
    if "${paths.data}" in content.get("root", ""):
        assert "ROOT/" in documented_layout(content["_target_"])


MAIN = yaml.safe_load((CONF / "config.yaml").read_text())
DEFAULT_CHOICES = {g: c for e in MAIN["defaults"] if isinstance(e, dict) for g, c in e.items()}
TARGETS = sorted({(group, target_of(group, choice)) for group, choice in OURS})
# A hybrid has no default parts; a source may have its own validation split (val_fraction=None).
WITHOUT_DEFAULT = {"parts", "val_fraction"}


def plain(value: Any) -> Any:
    """A default as YAML would have it: ranges as lists, and only learned weights as null."""
    if isinstance(value, dict) and set(value.values()) == {None}:
        return None
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("group", "target"), TARGETS)
def test_a_constructor_has_the_defaults_of_conf(group: str, target: str) -> None:
    """Those of the group's default choice, or of any choice of other targets."""
    choices = [choice for pair, choice in OURS if pair == group]
    contents = {choice: CATALOGUE.content(group, choice) for choice in choices}
    contents = {choice: c for choice, c in contents.items() if c["_target_"] == target}
    chosen = DEFAULT_CHOICES.get(group)
    read = [contents[chosen]] if chosen in contents else list(contents.values())
    module, _, name = target.rpartition(".")
    accepted = defaults(getattr(import_module(module), name))
    for key, default in accepted.items():
        if key in WITHOUT_DEFAULT:
            continue
        values = [plain(content[key]) for content in read if key in content]
        assert not values or plain(default) in values, f"{name}({key}={default}), conf: {values}"
    if group != "dataset":
        keys = {key for content in read for key in content if key[0] != "_"}
        assert keys - set(accepted) <= WITHOUT_DEFAULT
