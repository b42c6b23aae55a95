"""Checks of a study: its file, its overrides, and finished cells against the plan."""

import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from handpose.config.catalogue import Catalogue
from handpose.config.checks.overrides import is_choice, is_hydra, parse, slot_of
from handpose.config.checks.safety import yaml_problem
from handpose.config.composer import Composer
from handpose.messages import did_you_mean, nearest

Key = TypeVar("Key", bound=Hashable)
_LAUNCHER = "hydra/launcher", "hydra.launcher"
# Parts that a stage does not read, as its runs have no objective or no head.
_UNREAD = {"pretrain": ("finetune.", "head."), "finetune": ("pretrain.", "augment.", "objective.")}
_OF_PROBE = "finetune.dataset."  # the probe of pre-training reads it


def load_study(study: str, folder: Path) -> Any:
    """Reads `folder`/`study`.yaml, or the file `study`, as plain values.

    Raises:
        ValueError: the file does not exist or is not YAML; names it.
    """
    path = Path(study) if study.endswith((".yaml", ".yml")) else folder / f"{study}.yaml"
    if not path.is_file():
        names = sorted(file.stem for file in folder.glob("*.yaml"))
        near = did_you_mean(nearest(study, names))
        raise ValueError(f"{study}: no such study{near} (in {folder}: {', '.join(names)})")
    if problem := yaml_problem(path):
        raise ValueError(problem)
    try:
        return OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (YAMLError, OmegaConfBaseException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(line.strip() for line in str(error).splitlines())
        raise ValueError(f"{path}: cannot be read ({reason})") from None


def override_problem(line: str, ruled: Mapping[str, str]) -> str | None:
    """Returns why a study cannot take an override, or None.

    Args:
        line: KEY=VALUE, for each run of a kind.
        ruled: key -> the key of the study that sets it.
    """
    overrides, problems = parse([line], OverridesParser.create())
    if problems:
        return problems[0]
    (override,) = overrides
    key = override.key_or_group
    if key in ruled:
        return f"{line}: {key} is set by {ruled[key]} of the study"
    if is_hydra(override) and not key.startswith(_LAUNCHER):
        return f"{line}: a study accepts only hydra/launcher and hydra.launcher.* of Hydra's keys"
    if override.is_sweep_override():
        return f"{line}: several values; a study's own keys say what varies (a list is [a,b])"
    return None


def unread_problem(line: str, stage: Literal["pretrain", "finetune"]) -> str | None:
    """Returns why an override of one stage has no effect in its runs, or None.

    Args:
        line: KEY=VALUE, which `override_problem` accepts.
        stage: the stage of these runs.
    """
    (override,) = OverridesParser.create().parse_overrides([line])
    key, other = f"{slot_of(override)}.", "finetune" if stage == "pretrain" else "pretrain"
    if not key.startswith(_UNREAD[stage]) or key.startswith(_OF_PROBE):
        return None
    return f"{line}: has no effect in the runs of {stage}; move it to {other}"


def runs_folder(overrides: Sequence[str]) -> Path:
    """Returns `paths.runs` of a run with these overrides.

    Raises:
        ValueError: they do not compose.
    """
    composer = Composer(Catalogue(), "config")
    with composer.opened():
        cfg, problems = composer.composed(_parsed(overrides))
    if cfg is None or problems:
        raise ValueError("\n".join(problems))
    return Path(cfg.paths.runs)


def planned_configs(
    cells: Mapping[Key, tuple[Sequence[str], Mapping[str, str]]],
) -> dict[Key, dict[str, Any]]:
    """Returns the configuration that train.py would store for each cell.

    Args:
        cells: (overrides, values below `paths`, which win over the overrides).

    Raises:
        ValueError: one does not compose.
    """
    composer = Composer(Catalogue(), "config")
    with composer.opened():
        return {
            key: _composed(_parsed(lines), paths, composer) for key, (lines, paths) in cells.items()
        }


def _parsed(lines: Sequence[str]) -> list[Override]:
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    return [o for o in parser.parse_overrides(list(lines)) if not is_hydra(o)]


def _composed(
    overrides: list[Override], paths: Mapping[str, str], composer: Composer
) -> dict[str, Any]:
    cfg = composer.chosen(overrides)
    if isinstance(cfg, str):
        raise ValueError(f"the plan does not compose: {cfg}")
    for override in overrides:
        if not is_choice(override, composer.catalogue):
            key, value = override.key_or_group, override.value()
            OmegaConf.update(cfg, key, value, merge=True, force_add=True)
    cfg.paths = dict(paths)
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    return json.loads(json.dumps(OmegaConf.to_container(own, resolve=True)))
