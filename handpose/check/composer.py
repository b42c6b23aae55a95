"""Configurations composed as Hydra will compose them, without running anything."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from handpose.check.catalogue import Catalogue
from handpose.check.composed import as_written
from handpose.check.keys import override_key_problem
from handpose.check.overrides import is_choice, is_hydra
from handpose.check.refusal import first_line
from handpose.check.rules import RUN


class Composer:
    """Composes the runs of a command line; what differs in values alone is composed once."""

    def __init__(self, catalogue: Catalogue, config_name: str) -> None:
        self.catalogue = catalogue
        self.config_name = config_name

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hydra, set up over conf/ for as long as this lasts."""
        with initialize_config_dir(str(self.catalogue.roots[0]), version_base="1.3"):
            yield

    def chosen(self, overrides: Sequence[Override]) -> DictConfig | str:
        """The configuration of the choices and of Hydra's own keys, or why there is none."""
        lines = tuple(
            str(o.input_line) for o in overrides if is_hydra(o) or is_choice(o, self.catalogue)
        )
        every = (*self._search_path(lines), *lines)
        return copy.deepcopy(_compose(self.config_name, every))

    def _search_path(self, lines: Sequence[str]) -> list[str]:
        """The folders beside conf/, unless the command line sets them itself."""
        extra = ",".join(f"file://{root}" for root in self.catalogue.roots[1:])
        given = any(line.lstrip("+").startswith("hydra.searchpath=") for line in lines)
        return [f"hydra.searchpath=[{extra}]"] if extra and not given else []

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
            problem = override_key_problem(override.key_or_group, as_written(cfg), self.catalogue)
            problems.append(problem or _apply(override, cfg))
        return cfg, [problem for problem in problems if problem]


@cache
def _compose(config_name: str, lines: tuple[str, ...]) -> DictConfig | str:
    """What Hydra makes of these overrides, or why it makes nothing of them."""
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
