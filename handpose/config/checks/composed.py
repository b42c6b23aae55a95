"""Checks of a composed configuration: all problems at once, without heavy imports."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from handpose.config.catalogue import REFERENCE, Catalogue
from handpose.config.checks import backbone_fit, optimizer_fit, trainer_flags
from handpose.config.checks.adaptation import adaptation_problems
from handpose.config.checks.combinations import CHECKS, CHECKS_OF_RIGHT_VALUES
from handpose.config.checks.folders import file_problems
from handpose.config.checks.loggers import logger_problems
from handpose.config.checks.machine import launch_problems, resource_problems
from handpose.config.checks.overrides import as_argument, home_problem
from handpose.config.checks.safety import target_problems
from handpose.config.checks.sweeps import LAUNCHER, SWEEPER
from handpose.config.checks.unknown_keys import no_such_choice, unknown_keys
from handpose.config.content import (
    Content,
    UnresolvedError,
    as_written,
    found_value,
    has,
    leaves,
    lookup,
    of_hydra,
    resolve,
)
from handpose.config.errors import refuse
from handpose.config.schema import CONF, Rule, is_number
from handpose.config.secrets import value_problem
from handpose.messages import did_you_mean, nearest, written

_CHECKS = (
    *CHECKS,
    backbone_fit.known_name,
    backbone_fit.fits_objective,
    optimizer_fit.name_of_timm,
    trainer_flags.duration,
)
_CHECKS_OF_RIGHT_VALUES = (
    *CHECKS_OF_RIGHT_VALUES,
    adaptation_problems,
    backbone_fit.whole_patches,
    optimizer_fit.nesterov,
    trainer_flags.flags_that_fit,
    trainer_flags.early_stopping,
)
# Folders of a run and a sweep, and Hydra's search path.
PLACES = ("hydra.run.dir", "hydra.sweep.dir", "hydra.searchpath")


def check(cfg: DictConfig) -> None:
    """Refuse an invalid configuration: print all its problems and exit with 1."""
    sources = HydraConfig.get().runtime.config_sources if HydraConfig.initialized() else []
    folders = [Path(source.path) for source in sources if source.schema == "file"]
    catalogue = Catalogue((CONF, *(folder for folder in folders if folder.resolve() != CONF)))
    if problems := find_problems(cfg, catalogue) or launch_problems(cfg):
        refuse(problems)


def find_problems(
    cfg: DictConfig, catalogue: Catalogue, *, on_disk: bool = True, is_trained: bool = True
) -> list[str]:
    """Return all problems of a composed configuration.

    Args:
        cfg: the configuration, with or without Hydra's part.
        catalogue: the existing groups, choices and keys.
        on_disk: whether its data and folders must exist.
        is_trained: whether to check for training, not only for evaluation.
    """
    content = as_written(cfg)
    if secrets := _secrets(cfg, content):
        return secrets  # the other problems might quote them
    if named := _group_problems(content, catalogue):
        return named  # the other problems only follow
    problems = target_problems(cfg, content) + _part_problems(content, catalogue)
    problems += unknown_keys(_chosen(content, catalogue), catalogue.tree(content), catalogue)
    values = value_problems(cfg, content, catalogue)
    problems += values
    for fits in _CHECKS if values else _CHECKS_OF_RIGHT_VALUES + _CHECKS:
        problems += fits(cfg, catalogue)
    if on_disk:
        told = {problem.partition("=")[0] for problem in problems}
        missing = file_problems(cfg, content, catalogue)
        problems += [problem for problem in missing if problem.partition("=")[0] not in told]
    if on_disk and is_trained:
        problems += [] if problems else resource_problems(cfg)
        problems += logger_problems(cfg)
    return problems


def _secrets(cfg: DictConfig, content: Content) -> list[str]:
    """Return a problem for each secret in the configuration or in the run's path."""
    values = [*leaves(content), *((path, "") for path in PLACES)]
    found = [value_problem(path, str(raw), str(found_value(cfg, path))) for path, raw in values]
    return [problem for problem in found if problem]


def _group_problems(content: Content, catalogue: Catalogue) -> list[str]:
    """Return a problem for each choice that a file writes as a plain key: `objective: none`."""
    problems = []
    for slot, group in catalogue.slots.items():
        value = lookup(content, slot, {})
        if isinstance(value, dict) or REFERENCE.fullmatch(str(value)):
            continue
        if value is None and catalogue.may_be_null(slot):
            continue
        name = group if slot == group else f"{group}@{slot}"
        choice = "CHOICE" if value is None else written(value)
        line = f"write `- override {name}: {choice}` in the defaults list"
        if value is not None and catalogue.file(group, choice) is None:
            line = no_such_choice(choice, catalogue.choices[group], group)
        problems.append(f"{slot}={written(value)}: {slot} is a group; {line}")
    return problems


def _chosen(content: Content, catalogue: Catalogue) -> Content:
    """Return the content without what an experiment sets in a part that is null after all.

    `experiment=NAME objective=none` keeps keys of the experiment's objective. Nobody reads them.
    """
    return content | {
        slot: {"_target_": None}
        for slot in catalogue.slots
        if isinstance(part := content.get(slot), dict) and part.get("_target_", "") is None
    }


def _part_problems(content: Content, catalogue: Catalogue) -> list[str]:
    """Return a problem for each part that has keys but no choice."""
    return [
        f"{slot}: keys without a choice ({', '.join(part)}); choose {group}@{slot}=CHOICE first"
        for slot, group in catalogue.slots.items()
        if isinstance(part := lookup(content, slot), dict)
        and "_target_" not in part
        and catalogue.has_targets(group)
    ]


def rules_of(content: Content, catalogue: Catalogue) -> dict[str, Rule]:
    """Return the rule of each key of a configuration, in all parts.

    Args:
        content: the configuration, with references unresolved.
        catalogue: the existing groups, choices and keys.
    """
    places = [("", ""), *catalogue.slots.items()]
    places += [(group.replace("/", "."), group) for group in (LAUNCHER, SWEEPER)]
    for slot, group in catalogue.slots.items():  # the sources of a mix, the objectives of a hybrid
        parts = lookup(content, f"{slot}.parts")
        for name in parts if isinstance(parts, dict) else ():
            places += [(f"{slot}.parts.{name}", group), (f"{slot}.parts.{name}.augment", "augment")]
    return {
        f"{slot}.{path}".lstrip("."): key.rule
        for slot, group in places
        for path, key in catalogue.keys(group).items()
        if key.rule
    }


def value_problems(cfg: DictConfig, content: Content, catalogue: Catalogue) -> list[str]:
    """Return a problem for each invalid value.

    Args:
        cfg: the composed configuration.
        content: the same, with references unresolved.
        catalogue: the existing groups, choices and keys.
    """
    rules = rules_of(content, catalogue)
    own = of_hydra(cfg)
    keys = [*PLACES, *(key for key in rules if key.startswith("hydra."))]
    found = [*leaves(content), *((key, lookup(own, key)) for key in keys if has(own, key))]
    problems = [_value_problem(cfg, path, written, rules.get(path)) for path, written in found]
    return [problem for problem in problems if problem]


def _value_problem(cfg: DictConfig, path: str, raw: Any, rule: Rule | None) -> str | None:
    if raw == "???":
        return f"{path}: has no value; choose one"
    try:
        value = resolve(cfg, path)
    except UnresolvedError as error:
        # Hydra's own values are known only once it runs the job.
        return None if "${hydra:" in str(raw) or path in PLACES else f"{path}={raw}: {error}"
    if not REFERENCE.match(str(raw)):  # else reported at the key that is referred to
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and (problem := home_problem(path, text)):
                return problem
    is_part = isinstance(value, dict) and value and REFERENCE.fullmatch(str(raw))
    if is_part or rule is None or rule.holds(value):
        return None
    hint = did_you_mean(nearest(value, rule.words)) if isinstance(value, str) else ""
    if is_number(value) and rule.kind is str and not rule.words:
        hint = f"; write {as_argument(path, str(value))}"
    return f"{path}={written(value)}: expected {rule.expected}{hint}"
