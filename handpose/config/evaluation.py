"""The configuration of an evaluation: that of a finished run, and what the command line changes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from handpose.config.catalogue import Catalogue
from handpose.config.composed import find_problems
from handpose.config.composer import Composer
from handpose.config.overrides import (
    choice_problems,
    is_choice,
    is_hydra,
    looks_like_choice,
    of_overrides,
    parse,
)
from handpose.config.refusal import first_line, refuse
from handpose.config.schema import num_processes
from handpose.config.secrets import hidden
from handpose.config.stored import up_to_date
from handpose.config.tree import leaves, lookup, overlay, place

# What an evaluation takes from the command line; all else belongs to the trained model.
_REACHED = ("dataset", "evaluate", "paths", "trainer")


def check_evaluation(config: dict[str, Any], arguments: list[str]) -> DictConfig:
    """What `evaluation_problems` composes; prints all its problems, and exits with 1, if any."""
    cfg, problems = evaluation_problems(config, arguments)
    if problems:
        refuse(problems)
    assert cfg is not None, "without a problem there is a configuration"
    return cfg


def evaluation_problems(
    config: dict[str, Any], arguments: Sequence[str]
) -> tuple[DictConfig | None, list[str]]:
    """The finished run's `config` with the overrides on top: one dataset, and no weights to load.

    `dataset=NAME` takes the place of the run's own, at the size of crops that the run was trained
    on. Beside it all that is wrong with it.
    """
    composer = _RunComposer(Catalogue(), config)
    with composer.opened():
        parser = OverridesParser.create(GlobalHydra.instance().config_loader())
        overrides, problems = parse(list(arguments), parser)
        is_whole = not problems and not any(o.is_sweep_override() for o in overrides)
        found = [_problems(override, composer) for override in overrides]
        problems += [problem for own in found for problem in own]
        judged = list(zip(overrides, found, strict=True))
        # Keys below a part that was chosen wrongly cannot be judged.
        wrong = tuple(f"{_slot(override)}." for override, own in judged if own)
        right = [o for o, own in judged if not own and not _slot(o).startswith(wrong)]
        cfg, more = composer.composed(right)
    own = [] if cfg is None else find_problems(cfg, composer.catalogue, is_trained=False)
    problems += more + (own if is_whole else of_overrides(own, right))
    if cfg is not None and not problems and num_processes(cfg.trainer) > 1:
        problems = [f"trainer.devices={cfg.trainer.devices}: an evaluation is of one process"]
    return cfg, list(dict.fromkeys(problems))


def outside_problems(cfg: DictConfig, folders: Sequence[Path]) -> list[str]:
    """A problem for each file or folder of `cfg.dataset` that lies in none of `folders`.

    A text that is no path does not exist as one, and what does not exist is not read.
    """
    content: Any = OmegaConf.to_container(cfg.dataset, resolve=True)
    allowed = [Path(os.path.abspath(folder)) for folder in folders]  # noqa: PTH100
    problems = []
    for key, value in leaves(content):
        if isinstance(value, str) and value and Path(value).exists():
            path = Path(os.path.abspath(value))  # noqa: PTH100  # a dataset may be a link
            if not any(path.is_relative_to(folder) for folder in allowed):
                names = ", ".join(map(str, allowed))
                problems.append(f"dataset.{key}={value}: outside of the given folders ({names})")
    return problems


def check_model(config: dict[str, Any]) -> DictConfig:
    """The finished run's `config` for its model alone, whose data may be on another machine.

    Raises:
        ValueError: it is no configuration of a run, or names what must not be built; all problems.
    """
    catalogue = Catalogue()
    try:
        cfg = _RunComposer(catalogue, config).base
    except (KeyError, TypeError, AttributeError, OmegaConfBaseException) as error:
        raise ValueError(f"not the configuration of a run ({first_line(error)})") from None
    if problems := find_problems(cfg, catalogue, on_disk=False):
        raise ValueError("\n".join(hidden(problem) for problem in problems))
    return cfg


class _RunComposer(Composer):
    """Composes over a run's configuration in the place of conf/config.yaml."""

    def __init__(self, catalogue: Catalogue, config: dict[str, Any]) -> None:
        super().__init__(catalogue, "config")
        own = config["finetune"]["dataset"]
        self.image_size = own["image_size"]
        self.base = OmegaConf.create(up_to_date(config, catalogue))
        self.base.dataset = _with_references(own, config["paths"], catalogue)
        self.base.pretrain.dataset = self.base.finetune.dataset = "${dataset}"
        self.base.backbone.weights = self.base.init_from = None  # model.pt has them all
        # Trained by however many processes, on whatever device, it is evaluated by one on this.
        one = dict(devices=1, num_nodes=1, strategy=None, sync_batchnorm=False, accelerator="auto")
        self.base.trainer = OmegaConf.merge(self.base.trainer, one)

    def chosen(self, overrides: Sequence[Override]) -> DictConfig | str:
        """The run's configuration, with its parts replaced by those that the overrides choose."""
        fresh, cfg = super().chosen(overrides), self.base.copy()
        if isinstance(fresh, str):
            return fresh
        for override in overrides:
            if is_choice(override, self.catalogue):
                slot = _slot(override)
                part = OmegaConf.to_container(OmegaConf.select(fresh, slot), resolve=False)
                OmegaConf.update(cfg, slot, part, merge=False)
                if slot == "dataset":
                    cfg.dataset.image_size = self.image_size
        return cfg


def _with_references(
    saved: dict[str, Any], paths: dict[str, Any], catalogue: Catalogue
) -> dict[str, Any]:
    """A resolved dataset with its folders below `${paths.data}` again, so that `paths.data=` works.

    What the run was told otherwise (`dataset.root=`) stays as it was told.
    """
    for choice in catalogue.choices["dataset"]:
        written = catalogue.content("dataset", choice)
        if written.get("_target_") != saved["_target_"]:
            continue
        for path, value in leaves(written):
            if isinstance(value, str) and "${paths." in value:
                resolved = OmegaConf.create({"paths": paths, "value": value}).value
                if resolved == lookup(saved, path):
                    saved = overlay(saved, place({path.split(".")[-1]: value}, _parent(path)))
    return saved


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _slot(override: Override) -> str:
    return override.package or override.key_or_group


def _problems(override: Override, composer: _RunComposer) -> list[str]:
    """What is wrong with an override, its key apart."""
    written, root = override.input_line, _slot(override).partition(".")[0]
    if override.is_sweep_override():
        return [f"{written}: several values; an evaluation takes one (a list is written [a,b])"]
    if is_choice(override, composer.catalogue) or looks_like_choice(override):
        found = choice_problems(override, composer.catalogue)
        if found:
            return found
    if is_hydra(override) or (root in composer.base and root not in _REACHED):
        return [
            f"{written}: does not reach an evaluation, which is of the run as it was trained; "
            f"it takes {', '.join(_REACHED)} and the keys below them"
        ]
    return []
