"""Every number of conf/ has declared bounds, and the checks hold every run to them."""

import math
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from handpose.augment.settings import BOUNDS, SINGLE, WORDS, Augmentation
from handpose.config.catalogue import CONF, Catalogue
from handpose.config.checks.composed import find_problems, rules_of
from handpose.config.content import as_written, leaves
from handpose.config.schema import Rule, parse_rule

CATALOGUE = Catalogue()
# -1, 0 and so on, of both types: a whole number written as 1e9 is a float to YAML.
TRIED = (-1, 0, 0.5, 1e9, 10**9, math.nan, math.inf, -math.inf)
CHOICES = [
    (group, choice)
    for group, choices in CATALOGUE.choices.items()
    if group != "experiment" and not group.startswith("hydra")
    for choice in choices
]


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides), return_hydra_config=True)


def is_numeric(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(is_numeric, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def numbers(cfg: DictConfig) -> dict[str, Any]:
    """Every numeric value of a configuration, its references left out: dotted path -> value."""
    return {path: value for path, value in leaves(as_written(cfg)) if is_numeric(value)}


def admitted(rule: Rule, example: Any) -> list[float]:
    """The tried values that a rule takes, alone or as both ends of a range."""
    if isinstance(example, list):
        return [value for value in TRIED if rule.holds([value] * len(example))]
    return [value for value in TRIED if rule.holds(value)]


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_number_has_bounds_and_is_held_to_them(group: str, choice: str) -> None:
    cfg = composed(f"{group}={choice}", *(["head=none"] if choice == "folder" else []))
    rules = rules_of(as_written(cfg), CATALOGUE)
    wrong: dict[str, Any] = {}
    for path, example in numbers(cfg).items():
        assert path in rules, f"{path}: no bounds behind it in conf/"
        bounds = rules[path].bounds
        assert bounds is not None, f"{path}: its rule has no bounds"
        assert rules[path].holds(example), path
        taken = admitted(rules[path], example)
        assert all(bounds[0] <= value <= bounds[1] for value in taken), (path, taken)
        refused = next(value for value in TRIED if value not in taken)
        wrong[path] = [refused] * len(example) if isinstance(example, list) else refused
    whole_config: Any = OmegaConf.to_container(cfg, resolve=False)
    for path, value in wrong.items():
        *parents, name = path.split(".")
        node = whole_config
        for parent in parents:
            node = node[parent]
        node[name] = value
    problems = find_problems(OmegaConf.create(whole_config), CATALOGUE, on_disk=False)
    named = {problem.partition("=")[0] for problem in problems}
    assert set(wrong) <= named, set(wrong) - named


def test_the_keys_that_are_null_have_bounds_too() -> None:
    rules = rules_of(as_written(composed("trainer=debug", "objective=hybrid")), CATALOGUE)
    for path in (
        "pretrain.samples_per_epoch",
        "pretrain.gradient_cache_chunk",
        "pretrain.probe.samples",
        "trainer.num_workers",
        "trainer.checkpoint_every_n_steps",
        "objective.weights.relative",
        "objective.parts.relative.augment.angle",
        "objective.parts.contrastive.hidden_dim",
        "trainer.caps.samples",
    ):
        assert rules[path].bounds is not None, path


def test_a_sources_own_numbers_in_a_mix_are_held_too() -> None:
    rules = rules_of(as_written(composed("dataset=mix")), CATALOGUE)
    assert rules["dataset.parts.synthetic.render_size"].bounds == (32, 1024)


def test_hydras_own_numbers_of_conf_are_held() -> None:
    cfg = composed("hydra/launcher=slurm", "hydra.launcher.timeout_min=0")
    problems = find_problems(cfg, CATALOGUE, on_disk=False)
    assert problems == ["hydra.launcher.timeout_min=0: expected a whole number from 1 to 1000000"]


def test_an_augmentation_is_held_to_the_same_bounds() -> None:
    """A key of the dataclass without bounds would be one that nothing checks."""
    kinds = Augmentation.__annotations__
    numeric = {name for name, kind in kinds.items() if kind not in (bool, str)}
    assert set(BOUNDS) == numeric
    assert set(WORDS) == {name for name, kind in kinds.items() if kind is str}
    assert set(SINGLE) == {name for name in numeric if Augmentation.__annotations__[name] is float}


def test_a_value_beyond_a_rule_would_be_seen() -> None:
    assert admitted(parse_rule("int 1..3"), 2) == []
    assert admitted(parse_rule("int -5..3"), 2) == [-1, 0]


def test_a_key_that_takes_keys_takes_no_word() -> None:
    rule = parse_rule("null | keys")
    assert [rule.holds(value) for value in (None, {}, "keys", 1)] == [True, True, False, False]
