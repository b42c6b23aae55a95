"""Configurations composed as Hydra will compose them, without running anything."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from handpose.config.catalogue import CONF, Catalogue
from handpose.config.composed import as_written
from handpose.config.keys import override_key_problem
from handpose.config.overrides import is_choice, is_hydra
from handpose.config.refusal import first_line
from handpose.config.rules import RUN
from handpose.config.schema import register


def compose_config(*overrides: str) -> DictConfig:
    """Composes the configuration that `python train.py` would run with the same overrides.

    Args:
        *overrides: `GROUP=CHOICE` and `KEY=VALUE`.
    """
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides), return_hydra_config=True)


class Composer:
    """Composes the runs of a command line; what differs in values alone is composed once."""

    def __init__(self, catalogue: Catalogue, config_name: str) -> None:
        self.catalogue = catalogue
        self.config_name = config_name

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hydra, set up over conf/ and what is beside it for as long as this lasts."""
        conf, *beside = self.catalogue.roots
        with initialize_config_dir(str(conf), version_base="1.3"):
            search_path = create_config_search_path(str(conf))
            for folder in reversed(beside):
                search_path.prepend("command-line", f"file://{folder}", SearchPathQuery("schema"))
            GlobalHydra.instance().clear()
            Hydra.create_main_hydra2("train", search_path)
            yield

    def chosen(self, overrides: Sequence[Override]) -> DictConfig | str:
        """The configuration of the choices and of Hydra's own keys, or why there is none."""
        lines = tuple(
            str(o.input_line) for o in overrides if is_hydra(o) or is_choice(o, self.catalogue)
        )
        return copy.deepcopy(_compose(self.config_name, lines, self.catalogue.roots))

    def composed(self, overrides: Sequence[Override]) -> tuple[DictConfig | None, list[str]]:
        """One run: its configuration, and what is wrong with the overrides."""
        cfg = self.chosen(overrides)
        if isinstance(cfg, str):
            own = [override for override in overrides if not is_hydra(override)]
            rest = self.composed(own) if len(own) < len(overrides) else (None, [])
            return rest[0], [cfg, *rest[1]]
        values = [o for o in overrides if not is_hydra(o) and not is_choice(o, self.catalogue)]
        problems = []
        # A part's `_target_` decides which keys it has.
        for override in sorted(values, key=lambda o: not o.key_or_group.endswith("_target_")):
            written = as_written(cfg)
            keys = _keys(override, self.catalogue)
            found = [override_key_problem(key, written, self.catalogue) for key in keys]
            problems.append(next(filter(None, found), None) or _apply(override, cfg))
        return cfg, [problem for problem in problems if problem]


def _keys(override: Override, catalogue: Catalogue) -> list[str]:
    """The keys that an override sets: one, or those of a dictionary for a group."""
    key, value = override.key_or_group, override.value()
    if key in catalogue.choices and isinstance(value, dict):
        return [f"{key}.{name}" for name in value]
    return [key]


@cache
def _compose(config_name: str, lines: tuple[str, ...], roots: tuple[Path, ...]) -> DictConfig | str:
    """What Hydra makes of these overrides over these folders, or why it makes nothing of them."""
    try:
        return compose(config_name, overrides=list(lines), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, AttributeError) as error:
        return _explained(error)


def _explained(error: Exception) -> str:
    """What Hydra says of a configuration that it cannot compose, on one line."""
    text = str(error).partition("Config search path")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(line for line in lines if not line.startswith(("object_type", "reference_")))


def _apply(override: Override, cfg: DictConfig) -> str | None:
    """Sets a key as Hydra will; returns why it cannot be set where it cannot."""
    key, shown = override.key_or_group, override.get_key_element()
    if override.is_delete():
        return f"{shown}: cannot be left out; give it another value (null where it may be empty)"
    if override.is_add() and OmegaConf.select(cfg, key) is not None:
        return f"{shown}: is there already; write {key}=... without the +"
    try:
        if override.is_add() or override.is_force_add():
            OmegaConf.update(cfg, key, override.value(), merge=True, force_add=True)
        else:
            OmegaConf.update(cfg, key, override.value(), merge=True)
    except (OmegaConfBaseException, AttributeError) as error:
        reason = f"expected {RUN[key].expected}" if key in RUN else first_line(error)
        return f"{shown}={override.get_value_element_as_str()}: {reason}"
    return None
