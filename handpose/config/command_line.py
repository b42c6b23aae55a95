"""Checks of the command line, before Hydra sees it: every run that it asks for, at once."""

import argparse
from functools import partial
from pathlib import Path

from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from handpose.config.catalogue import CONF, Catalogue
from handpose.config.composed import find_problems
from handpose.config.composer import Composer
from handpose.config.experiments import experiment_problems, primary_problems
from handpose.config.flags import dashed_problem, split_flags
from handpose.config.folders import unwritable
from handpose.config.hydra_keys import hydra_problems
from handpose.config.launcher import launcher_problems
from handpose.config.meanings import help_choices, help_keys
from handpose.config.overrides import (
    choice_problems,
    is_choice,
    is_hydra,
    looks_like_choice,
    of_overrides,
    parse,
)
from handpose.config.processes import launch_problems, shared_folder_problems
from handpose.config.refusal import refuse
from handpose.config.sweep import sweep_problems
from handpose.config.values import found_value
from handpose.config.writing import as_argument
from handpose.config.yaml_files import yaml_problems

_REFUSED_FLAGS = (
    "--config-path, --experimental-rerun: are not taken, since Hydra would act on a file before it "
    "is checked; --config-dir DIR adds choices, hydra.run.dir=DIR resumes a run"
)


def check_command_line(arguments: list[str]) -> None:
    """Refuses a command line that cannot run: prints all its problems, and exits with 1."""
    taken, dashed = split_flags(arguments)
    flags = get_args_parser().parse_args(taken)
    if flags.help:
        _explain()
    asks = flags.help or flags.hydra_help or flags.info
    if flags.shell_completion or (asks and not flags.overrides):
        return
    if flags.config_path or flags.experimental_rerun:
        refuse([_REFUSED_FLAGS])
    if flags.config_dir and not Path(flags.config_dir).is_dir():
        refuse([f"--config-dir {flags.config_dir}: no such directory"])
    problems = _problems(flags, dashed)
    if problems:
        refuse(list(dict.fromkeys(problems)))


def _explain() -> None:
    """Lets the template of `--help` in conf/config.yaml list the choices and the main keys."""
    catalogue = Catalogue()
    for name, make in (("help_choices", help_choices), ("help_keys", help_keys)):
        OmegaConf.register_new_resolver(name, partial(make, catalogue), replace=True)


def _problems(flags: argparse.Namespace, dashed: list[str]) -> list[str]:
    composer = Composer(Catalogue((CONF, *_beside(flags))), flags.config_name or "config")
    if harmful := yaml_problems(composer.catalogue.roots):
        return harmful
    if wrong_keys := primary_problems(composer.config_name, composer.catalogue):
        return wrong_keys
    with composer.opened():
        parser = OverridesParser.create(GlobalHydra.instance().config_loader())
        overrides, problems = parse(flags.overrides, parser)
        problems += [dashed_problem(argument, composer.catalogue) for argument in dashed]
        is_whole = not problems
        overrides, own = hydra_problems(overrides, composer)
        problems += own
        wrong = {id(o): found for o in overrides if (found := _wrong_choice(o, composer.catalogue))}
        problems += [problem for found in wrong.values() for problem in found]
        slots = tuple(f"{_slot(o)}." for o in overrides if id(o) in wrong)
        # Keys below a part that was chosen wrongly cannot be judged.
        judged = [
            o for o in overrides if id(o) not in wrong and not o.key_or_group.startswith(slots)
        ]
        found = _run_problems(flags, judged, composer, parser)
        return problems + (found if is_whole else of_overrides(found, judged))


def _slot(override: Override) -> str:
    """The key below which the chosen part lies."""
    return override.package or override.key_or_group.replace("/", ".")


def _beside(flags: argparse.Namespace) -> list[Path]:
    """The folders of configurations that the command line adds to conf/."""
    folders = [flags.config_dir] if flags.config_dir else []
    search = [argument for argument in flags.overrides if argument.startswith("hydra.searchpath=")]
    for override in parse(search, OverridesParser.create())[0]:
        value = override.value()
        folders += [str(path) for path in value] if isinstance(value, list) else []
    return [Path(path.removeprefix("file://")).resolve() for path in folders if "pkg:" not in path]


def _wrong_choice(override: Override, catalogue: Catalogue) -> list[str]:
    """Problems of an override that chooses a file, and of that file where it is an experiment."""
    if is_hydra(override):
        return launcher_problems(override)
    if is_choice(override, catalogue) or looks_like_choice(override):
        return choice_problems(override, catalogue) or experiment_problems(override, catalogue)
    return []


def _run_problems(
    flags: argparse.Namespace,
    overrides: list[Override],
    composer: Composer,
    parser: OverridesParser,
) -> list[str]:
    """Problems of the one run, or of all cells of a sweep, and of the folder to be written."""
    modes = [str(o.value()).upper() for o in overrides if o.key_or_group == "hydra.mode"]
    multirun = flags.multirun or "MULTIRUN" in modes
    together = shared_folder_problems(overrides, multirun=multirun)
    if multirun:
        driver, problems = sweep_problems(overrides, composer, parser)
        return together + problems + _output_problems(driver, "hydra.sweep.dir")
    several = [_not_a_sweep(o) for o in overrides if o.is_sweep_override()]
    single = [o for o in overrides if not o.is_sweep_override()]
    cfg, problems = composer.composed(single)
    if cfg is None or flags.cfg:  # shown, not run
        return several + problems
    problems += find_problems(cfg, composer.catalogue)
    problems += together if problems else together or launch_problems(cfg)
    problems += _output_problems(cfg, "hydra.run.dir")
    return several + (of_overrides(problems, single) if several else problems)


def _not_a_sweep(override: Override) -> str:
    key, value = override.get_key_element(), str(override.input_line).partition("=")[2]
    return (
        f"{override.input_line}: several values are a sweep, which --multirun starts; a list is "
        f"written [a,b], and one text with a comma {as_argument(key, value)}"
    )


def _output_problems(cfg: DictConfig | None, key: str) -> list[str]:
    """Why the folder of a run or of a sweep cannot be made or written."""
    runs, folder = (found_value(cfg, path) for path in ("paths.runs", key)) if cfg else (None, None)
    if not isinstance(runs, str) or not isinstance(folder, str):
        return []
    inside = Path(runs) in Path(folder).parents
    problem = unwritable("paths.runs", runs) if inside else unwritable(key, folder)
    return [problem] if problem else []
