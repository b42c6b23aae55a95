"""Composes configurations as Hydra does, without running anything."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from handpose.config.catalogue import Catalogue
from handpose.config.checks.overrides import is_choice, is_hydra, named_choices
from handpose.config.checks.sweeps import (
    LAUNCHER,
    SWEEPER,
    ends,
    launcher_problem,
    sweeper_problem,
)
from handpose.config.checks.unknown_keys import no_such_choice, override_key_problem, spelled_like
from handpose.config.content import as_written, of_hydra
from handpose.config.schema import CONF, register
from handpose.messages import did_you_mean, first_line, nearest

_BASIC = f"{BasicSweeper.__module__}.{BasicSweeper.__qualname__}"
_ADAPTIVE = "hydra_plugins.handpose_sweeper.optuna_sweeper.OptunaSweeper"
_PARAMS = "hydra.sweeper.params"
_OPEN = "hydra.callbacks"  # takes any names


def compose_config(*overrides: str) -> DictConfig:
    """Compose the configuration that `python train.py` would run with the same overrides.

    Args:
        *overrides: `GROUP=CHOICE` and `KEY=VALUE`.
    """
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides), return_hydra_config=True)


class Composer:
    """Composes the runs of a command line; runs that differ only in values are composed once.

    Args:
        catalogue: the existing groups, choices and keys.
        config_name: name of the main configuration file, without `.yaml`.
    """

    def __init__(self, catalogue: Catalogue, config_name: str = "config") -> None:
        self.catalogue = catalogue
        self.config_name = config_name

    @contextmanager
    def opened(self) -> Iterator[OverridesParser]:
        """Set up Hydra over the catalogue's folders and yield a parser of overrides."""
        conf, *beside = self.catalogue.roots
        with initialize_config_dir(str(conf), version_base="1.3"):
            search_path = create_config_search_path(str(conf))
            for folder in reversed(beside):
                search_path.prepend("command-line", f"file://{folder}", SearchPathQuery("schema"))
            GlobalHydra.instance().clear()
            Hydra.create_main_hydra2("train", search_path)
            yield OverridesParser.create(GlobalHydra.instance().config_loader())

    def chosen(self, overrides: Sequence[Override]) -> DictConfig | str:
        """Return the configuration of the choices and of Hydra's keys, or the error."""
        lines = tuple(
            str(o.input_line) for o in overrides if is_hydra(o) or is_choice(o, self.catalogue)
        )
        return copy.deepcopy(_compose(self.config_name, lines, self.catalogue.roots))

    def composed(self, overrides: Sequence[Override]) -> tuple[DictConfig | None, list[str]]:
        """Return the configuration of one run, and the problems of its overrides."""
        cfg = self.chosen(overrides)
        if isinstance(cfg, str):
            own = [override for override in overrides if not is_hydra(override)]
            rest = self.composed(own) if len(own) < len(overrides) else (None, [])
            return rest[0], [cfg, *rest[1]]
        values = [o for o in overrides if not is_hydra(o) and not is_choice(o, self.catalogue)]
        problems = []
        # A part's `_target_` decides which keys it has.
        for override in sorted(values, key=lambda o: not o.key_or_group.endswith("_target_")):
            content, keys = as_written(cfg), _keys(override, self.catalogue)
            found = [override_key_problem(key, content, self.catalogue) for key in keys]
            problems.append(next(filter(None, found), None) or self._apply(override, cfg))
        problems += [self._unread(override, cfg) for override in overrides]
        return cfg, [problem for problem in problems if problem]

    def _unread(self, override: Override, cfg: DictConfig) -> str | None:
        """Return the problem of an override of a group if each stage has its own choice of it."""
        group, _, name = override.key_or_group.partition(".")
        slots = self.catalogue.followers(group) if override.package is None else []
        choices = OmegaConf.select(cfg, "hydra.runtime.choices") or {}  # an evaluation has none
        if not slots or any(choices.get(f"{group}@{slot}") is None for slot in slots):
            return None
        value = override.get_value_element_as_str()
        instead = [
            f"{slot}.{name}={value}" if name else f"{group}@{slot}={value}" for slot in slots
        ]
        return (
            f"{override.input_line}: has no effect, as {' and '.join(slots)} have choices of their "
            f"own here; write {' or '.join(instead)}"
        )

    def _apply(self, override: Override, cfg: DictConfig) -> str | None:
        """Set a key as Hydra does; return the problem if that fails."""
        key, shown = override.key_or_group, override.get_key_element()
        if override.is_delete():
            return f"{shown}: cannot be left out; set another value (null where it may be empty)"
        if override.is_add() and OmegaConf.select(cfg, key) is not None:
            return f"{shown}: exists already; write {key}=... without the +"
        is_added = override.is_add() or override.is_force_add()
        try:
            OmegaConf.update(cfg, key, override.value(), merge=True, force_add=is_added)
        except (OmegaConfBaseException, AttributeError) as error:
            written = f"{shown}={override.get_value_element_as_str()}"
            return f"{written}: {self._expected(key, cfg) or first_line(error)}"
        return None

    def _expected(self, key: str, cfg: DictConfig) -> str:
        """Say what a key takes, as declared, or which keys it has; "" if neither is known."""
        if key in (keys := self.catalogue.keys()) and (rule := keys[key].rule):
            return f"expected {rule.expected}"
        node = OmegaConf.select(cfg, key, throw_on_missing=False)
        if not isinstance(node, DictConfig) or not node:
            return ""
        return f"holds further keys; set one of them, such as {key}.{next(map(str, node))}"

    def hydra_problems(self, override: Override, overrides: Sequence[Override]) -> list[str]:
        """Return the problems of an override of Hydra's own keys, in clearer words than Hydra's.

        Args:
            override: the one that is checked.
            overrides: the whole command line, whose choices decide which keys there are.
        """
        if "/" in override.key_or_group:
            return _group_problems(override)
        if override.key_or_group.startswith(_PARAMS):
            return [
                f"{override.input_line}: {_PARAMS} is for files; on the command line write the "
                "values of a sweep as KEY=VALUE,VALUE or KEY=interval(LOW,HIGH)"
            ]
        groups = [o for o in overrides if is_hydra(o) and "/" in o.key_or_group]
        cfg = self.chosen([group for group in groups if not _group_problems(group)])
        names, known = (
            override.key_or_group.split("."),
            {} if isinstance(cfg, str) else of_hydra(cfg),
        )
        tree: Any = known
        for depth, name in enumerate(names):
            # Below a key without keys anything may be set, as in hydra.job.env_set.
            if not isinstance(tree, dict) or not tree or ".".join(names[:depth]) == _OPEN:
                return []
            if name not in tree:
                near = did_you_mean(spelled_like(names, known))
                return [f"{override.key_or_group}: no such key of Hydra's{near}"]
            tree = tree[name]
        return []


def _keys(override: Override, catalogue: Catalogue) -> list[str]:
    """Return the keys that an override sets: one, or those of a dictionary for a group."""
    key = override.key_or_group
    value: Any = override.value()
    if key in catalogue.choices and isinstance(value, dict):
        return [f"{key}.{name}" for name in value]
    return [key]


def _group_problems(override: Override) -> list[str]:
    """Return the problems of `hydra/GROUP=CHOICE`."""
    loader, group = GlobalHydra.instance().config_loader(), override.key_or_group
    groups = [f"hydra/{name}" for name in loader.list_groups("hydra")]
    if group not in groups:
        return [f"{override.input_line}: no such group{did_you_mean(nearest(group, groups))}"]
    choices, named = loader.get_group_options(group), named_choices(override)
    shown = override.get_key_element()
    missing = [f"{shown}={n}: {no_such_choice(n, choices)}" for n in named if n not in choices]
    problem_of = {LAUNCHER: launcher_problem, SWEEPER: sweeper_problem}.get(group)
    if problem_of is None or override.is_sweep_override():
        return missing
    return [problem for name in named if (problem := problem_of(name))] or missing


def is_grid(driver: DictConfig) -> bool:
    """Return whether a sweep is a grid of values known beforehand."""
    return OmegaConf.select(driver, "hydra.sweeper._target_") == _BASIC


def is_adaptive(driver: DictConfig) -> bool:
    """Return whether the values of a sweep are chosen trial by trial, by our own sweeper."""
    return OmegaConf.select(driver, "hydra.sweeper._target_") == _ADAPTIVE


def cells(
    overrides: Sequence[Override], driver: DictConfig, parser: OverridesParser
) -> list[list[str]]:
    """Return the overrides of each cell of a sweep.

    Args:
        overrides: of the command line.
        driver: the configuration of the process that starts the sweep.
        parser: of overrides.

    Returns:
        One list per cell; of a sweeper that is no grid, one list per combination of the lowest
        and highest values, and of all choices.
    """
    every = [*parameters(driver, parser), *overrides]
    return BasicSweeper.split_arguments(every, None)[0] if is_grid(driver) else ends(every)


def parameters(driver: DictConfig, parser: OverridesParser) -> list[Override]:
    """Return the parameters of a sweep that a file sets.

    Args:
        driver: the configuration of the process that starts the sweep.
        parser: Hydra's parser of overrides.
    """
    params = OmegaConf.select(driver, _PARAMS) or {}
    return parser.parse_overrides([f"{key}={value}" for key, value in params.items()])


@cache
def _compose(config_name: str, lines: tuple[str, ...], roots: tuple[Path, ...]) -> DictConfig | str:
    """Return the configuration that Hydra composes, or the error."""
    try:
        return compose(config_name, overrides=list(lines), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, AttributeError) as error:
        text = str(error).partition("Config search path")[0]
        rows = [line.strip() for line in text.splitlines() if line.strip()]
        return "; ".join(row for row in rows if not row.startswith(("object_type", "reference_")))
