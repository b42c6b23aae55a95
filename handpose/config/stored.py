"""Stored configurations: comparison with another one, and reuse in an evaluation."""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from handpose.config.catalogue import Catalogue
from handpose.config.checks.composed import find_problems
from handpose.config.checks.overrides import (
    choice_problems,
    is_choice,
    is_hydra,
    judge,
    of_overrides,
    parse,
    slot_of,
)
from handpose.config.composer import Composer
from handpose.config.content import Content, leaves, lookup, overlay, place
from handpose.config.errors import refuse
from handpose.config.renamed import BEFORE, with_current_names
from handpose.config.schema import num_processes
from handpose.config.secrets import hidden
from handpose.messages import first_line

_ABSENT = "absent"
# Keys of `trainer` that a run stores with a value in place of `auto`.
SETTLED = ("precision", "channels_last", "augment_on")
_AUTO = tuple(f"trainer.{key}: " for key in SETTLED)
# Keys that an evaluation accepts; all others belong to the trained model.
_REACHED = ("dataset", "evaluate", "paths", "trainer")


@cache
def _free_keys() -> tuple[str, ...]:
    """Return the keys marked `free`, in all parts."""
    catalogue = Catalogue()
    return tuple(
        f"{slot}.{path}".lstrip(".")
        for slot, group in [("", ""), *catalogue.slots.items()]
        for path, key in catalogue.keys(group).items()
        if "free" in key.marks
    )


def is_free(key: str) -> bool:
    """Return whether a key, or its parent, does not change the result of a run."""
    return any(key == free or key.startswith(f"{free}.") for free in _free_keys())


def compare(before: Content, now: Content) -> list[str]:
    """Return "key: before -> now" for each difference that changes the result.

    Both are resolved. Files are compared relative to `paths`.

    Args:
        before: the old configuration, as nested dicts.
        now: the new configuration, as nested dicts.
    """
    old, new = _flat(before), _flat(now)
    return [
        f"{key}: {old.get(key, _ABSENT)} -> {new.get(key, _ABSENT)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key, _ABSENT) != new.get(key, _ABSENT) and not is_free(key)
    ]


def _flat(config: Content) -> Content:
    paths = config.get("paths") or {}
    return {key: _portable(value, paths) for key, value in leaves(config) if value != {}}


def _portable(value: Any, paths: dict[str, str]) -> Any:
    """Return a file below `paths` relative to it, and any other value as it is."""
    for name, folder in paths.items():
        if isinstance(value, str) and (value == folder or value.startswith(f"{folder}/")):
            return f"${{paths.{name}}}{value.removeprefix(folder)}"
    return value


def changes(before: Content, now: Content) -> list[str]:
    """Return how `now` differs from the stored configuration of a run.

    Newer keys count as their default. Removed keys do not count, and neither does `auto` in `now`,
    whose value is known to the run only.

    Args:
        before: the stored configuration, resolved; may have old names of keys.
        now: the new configuration, resolved.
    """
    before = with_current_names(before)
    lines = compare(before, now)
    if any(f": {_ABSENT} -> " in line for line in lines):
        lines = compare(up_to_date(before, Catalogue()), now)
    lines = [line for line in lines if not (line.startswith(_AUTO) and line.endswith(" -> auto"))]
    return [] if all(line.endswith(f" -> {_ABSENT}") for line in lines) else lines


def up_to_date(config: Content, catalogue: Catalogue) -> Content:
    """Return a stored configuration, resolved, with defaults for newer keys.

    New keys of a part are as in the most similar choice. Keys marked `new` are as in the default
    choice, which has the behaviour of the older code. Keys of `BEFORE` state that behaviour.

    Args:
        config: the stored configuration, with the current names of keys.
        catalogue: the existing groups, choices and keys.
    """
    filled = overlay(BEFORE, config)
    for slot, group in catalogue.slots.items():
        part = lookup(config, slot)
        if isinstance(part, dict):
            filled = overlay(place(_most_like(part, group, catalogue), slot), filled)
    whole: Any = OmegaConf.create(overlay(catalogue.settings, filled))
    return OmegaConf.to_container(whole, resolve=True)  # type: ignore[return-value]


def _most_like(part: Content, group: str, catalogue: Catalogue) -> Content:
    """Return the choice with the same `_target_` and the most equal values."""
    every = [catalogue.content(group, choice) for choice in catalogue.choices[group]]
    alike = [one for one in every if one.get("_target_") == part.get("_target_")]
    own = dict(leaves(part))

    def likeness(content: Content) -> int:
        return sum(key in own and own[key] == value for key, value in leaves(content))

    most_like = max(alike, key=likeness, default={})
    keys, default = catalogue.keys(group), catalogue.content(group, catalogue.choices[group][0])
    new = [path for path in most_like if path in keys and "new" in keys[path].marks]
    return most_like | {path: default[path] for path in new}


def check_evaluation(config: Content, arguments: Sequence[str]) -> DictConfig:
    """Return the configuration of an evaluation, or print its problems and exit with 1.

    Args:
        config: the run's stored configuration.
        arguments: overrides, as typed.
    """
    cfg, problems = evaluation_problems(config, arguments)
    if problems or cfg is None:
        refuse(problems)
    return cfg


def evaluation_problems(
    config: Content, arguments: Sequence[str]
) -> tuple[DictConfig | None, list[str]]:
    """Compose the evaluation of a finished run and find all its problems.

    Args:
        config: the run's stored configuration.
        arguments: overrides; `dataset=NAME` replaces all datasets of the run, and
            `dataset@evaluate.dataset=NAME` the evaluated one alone. Both keep the crop size.

    Returns:
        The configuration, with one dataset of both stages and no weights to load, and the problems.
    """
    composer = _RunComposer(Catalogue(), config)
    with composer.opened() as parser:
        overrides, problems = parse(arguments, parser)
        is_whole = not problems and not any(o.is_sweep_override() for o in overrides)
        right, wrong = judge(overrides, composer.problems_of)
        wrong += composer.problems_of_unread(right)
        cfg, more = composer.composed(right)
    own = [] if cfg is None else find_problems(cfg, composer.catalogue, is_trained=False)
    problems += wrong + more + (own if is_whole else of_overrides(own, right))
    if cfg is not None and not problems and num_processes(cfg.trainer) > 1:
        problems = [f"trainer.devices={cfg.trainer.devices}: an evaluation has one process"]
    return cfg, list(dict.fromkeys(problems))


def outside_problems(cfg: DictConfig, folders: Sequence[Path]) -> list[str]:
    """Return a problem for each path of the datasets of an evaluation outside of `folders`.

    Args:
        cfg: the configuration; only `dataset` and `evaluate.dataset` are read.
        folders: the allowed folders; paths below them are allowed too.
    """
    allowed = [Path(os.path.abspath(folder)) for folder in folders]  # noqa: PTH100
    problems = []
    for key, value in _evaluation_data(cfg):
        if isinstance(value, str) and value and Path(value).exists():  # else it is no path
            path = Path(os.path.abspath(value))  # noqa: PTH100  # a dataset may be a link
            if not any(path.is_relative_to(folder) for folder in allowed):
                names = ", ".join(map(str, allowed))
                problems.append(f"{key}={value}: outside of the given folders ({names})")
    return problems


def _evaluation_data(cfg: DictConfig) -> Iterator[tuple[str, Any]]:
    """Yield key and value of everything in the datasets of an evaluation."""
    for key in ("dataset", "evaluate.dataset"):
        if (node := OmegaConf.select(cfg, key)) is not None:
            content: Any = OmegaConf.to_container(node, resolve=True)
            yield from leaves(content, f"{key}.")


def check_model(config: Content) -> DictConfig:
    """Return a finished run's configuration for its model only; its data may be absent.

    Raises:
        ValueError: it is not a run's configuration, or is unsafe; lists all problems.
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
    """Composes over a run's configuration instead of conf/config.yaml."""

    def __init__(self, catalogue: Catalogue, config: Content) -> None:
        super().__init__(catalogue)
        own = config["finetune"]["dataset"]
        self.image_size = own["image_size"]
        self.base = OmegaConf.create(up_to_date(config, catalogue))
        self.base.dataset = _with_references(own, config["paths"], catalogue)
        self.base.pretrain.dataset = self.base.finetune.dataset = "${dataset}"
        if evaluated := lookup(config, "evaluate.dataset"):
            self.base.evaluate.dataset = _with_references(evaluated, config["paths"], catalogue)
        self.base.backbone.weights = self.base.init_from = None  # model.pt has them all
        # One process on this machine evaluates, independent of the training's devices.
        one = dict(devices=1, num_nodes=1, strategy=None, sync_batchnorm=False, accelerator="auto")
        self.base.trainer = OmegaConf.merge(self.base.trainer, one)

    def chosen(self, overrides: Sequence[Override]) -> DictConfig | str:
        """Return the run's configuration with the choices of the overrides."""
        fresh, cfg = super().chosen(overrides), self.base.copy()
        if isinstance(fresh, str):
            return fresh
        slots = {slot_of(override) for override in overrides if is_choice(override, self.catalogue)}
        for slot in slots:
            part = OmegaConf.to_container(OmegaConf.select(fresh, slot), resolve=False)
            OmegaConf.update(cfg, slot, part, merge=False)
            if slot in ("dataset", "evaluate.dataset"):
                OmegaConf.update(cfg, f"{slot}.image_size", self.image_size)
        if "dataset" in slots and "evaluate.dataset" not in slots:
            cfg.evaluate.dataset = None  # the run's own is not asked for
        return cfg

    def problems_of(self, override: Override) -> list[str]:
        """Return the problems of an override of an evaluation, except unknown keys."""
        line, root = override.input_line, slot_of(override).partition(".")[0]
        if override.is_sweep_override():
            return [f"{line}: several values; an evaluation takes one (a list is written [a,b])"]
        if found := choice_problems(override, self.catalogue):
            return found
        if is_hydra(override) or (root in self.base and root not in _REACHED):
            return [
                f"{line}: cannot be changed in an evaluation of a trained run; "
                f"allowed are {', '.join(_REACHED)} and the keys below them"
            ]
        return []

    def problems_of_unread(self, overrides: Sequence[Override]) -> list[str]:
        """Return the keys of `dataset` that do not reach the evaluated dataset of the run.

        Its place may be given: the mean pose is read there.
        """
        keys = [slot_of(override) for override in overrides]
        if self.base.evaluate.dataset is None or "dataset" in keys:
            return []
        if any(key.startswith("evaluate.dataset") for key in keys):
            return []
        return [
            f"{override.input_line}: the run evaluates evaluate.dataset, which this does not "
            f"reach; write evaluate.{override.input_line}, or choose dataset=NAME on the same line"
            for override, key in zip(overrides, keys, strict=True)
            if key.startswith("dataset.") and key != "dataset.root" and not is_free(key)
        ]


def _with_references(saved: Content, paths: Content, catalogue: Catalogue) -> Content:
    """Return a resolved dataset with references to `paths.*`, so `paths.data=` works.

    Values that the run set otherwise (`dataset.root=`) stay.
    """
    for choice in catalogue.choices["dataset"]:
        content = catalogue.content("dataset", choice)
        if content.get("_target_") != saved["_target_"]:
            continue
        for path, value in leaves(content):
            if isinstance(value, str) and "${paths." in value:
                resolved = OmegaConf.create({"paths": paths, "value": value}).value
                if resolved == lookup(saved, path):
                    saved = overlay(saved, place(value, path))
    return saved
