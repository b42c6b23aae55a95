"""Checks of the command line before Hydra runs: all problems of all its runs at once."""

import argparse
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from handpose.config.catalogue import Catalogue, parsed
from handpose.config.checks.combinations import stages
from handpose.config.checks.composed import find_problems, rules_of
from handpose.config.checks.folders import unwritable
from handpose.config.checks.machine import launch_problems, shared_folder_problems
from handpose.config.checks.overrides import (
    as_argument,
    choice_problems,
    is_hydra,
    judge,
    of_overrides,
    parse,
)
from handpose.config.checks.safety import yaml_problems
from handpose.config.checks.sweeps import adaptive_problems, grid_problems
from handpose.config.checks.unknown_keys import meant, unknown_keys
from handpose.config.composer import Composer, cells, is_adaptive, is_grid, parameters
from handpose.config.content import as_written, found_value
from handpose.config.documentation import help_choices, help_keys
from handpose.config.errors import refuse
from handpose.config.schema import CONF
from handpose.invocation import typed
from handpose.messages import first_line

_REFUSED_FLAGS = (
    "--config-path, --experimental-rerun: are refused, since Hydra would use the file before it "
    "is checked; --config-dir DIR adds choices, hydra.run.dir=DIR resumes a run"
)
_MOST_NAMES = 3


def check_command_line(arguments: Sequence[str]) -> None:
    """Refuse an invalid command line: print all its problems and exit with 1."""
    taken, dashed = _split_flags(arguments)
    flags = get_args_parser().parse_args(taken)
    if flags.help:
        for name, make in (("help_choices", help_choices), ("help_keys", help_keys)):
            OmegaConf.register_new_resolver(name, partial(make, Catalogue()), replace=True)
        OmegaConf.register_new_resolver("program", lambda: " ".join(typed("train")), replace=True)
    asks = flags.help or flags.hydra_help or flags.info
    if flags.shell_completion or (asks and not flags.overrides):
        return
    if flags.config_path or flags.experimental_rerun:
        refuse([_REFUSED_FLAGS])
    if flags.config_dir and not Path(flags.config_dir).is_dir():
        refuse([f"--config-dir {flags.config_dir}: no such directory"])
    if problems := _problems(flags, dashed):
        refuse(list(dict.fromkeys(problems)))


def _split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return Hydra's arguments, and keys that were typed as flags with their values."""
    _, unknown = get_args_parser().parse_known_args(arguments)
    taken, dashed, rest = [], [], list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument not in unknown:
            taken.append(argument)
            continue
        has_value = "=" in argument or not rest or "=" in rest[0] or rest[0].startswith("-")
        dashed.append(argument if has_value else f"{argument} {rest.pop(0)}")
    return taken, dashed


def _dashed_problem(written: str, catalogue: Catalogue) -> str:
    """Return how to write a key that was typed as a flag."""
    name, _, value = written.lstrip("-").replace(" ", "=", 1).partition("=")
    keys = meant(name.replace("-", "_"), catalogue)[:_MOST_NAMES]
    forms = [f"{key}={value or 'VALUE'}" for key in keys] or ["KEY=VALUE"]
    return f"{written}: keys and groups have no dashes here; write {' or '.join(forms)}"


def _problems(flags: argparse.Namespace, dashed: list[str]) -> list[str]:
    catalogue = Catalogue((CONF, *_folders_beside(flags)))
    if harmful := yaml_problems(catalogue.roots):
        return harmful
    composer = Composer(catalogue, flags.config_name or "config")
    if wrong_keys := _primary_problems(composer.config_name, catalogue):
        return wrong_keys
    with composer.opened() as parser:
        overrides, problems = parse(flags.overrides, parser)
        problems += [_dashed_problem(argument, catalogue) for argument in dashed]
        is_whole = not problems

        def problems_of(override: Override) -> list[str]:
            if is_hydra(override):
                return composer.hydra_problems(override, overrides)
            return choice_problems(override, catalogue)

        right, wrong = judge(overrides, problems_of)
        found = _run_problems(flags, right, composer, parser)
        return problems + wrong + (found if is_whole else of_overrides(found, right))


def _folders_beside(flags: argparse.Namespace) -> list[Path]:
    """Return the configuration folders that the command line adds to conf/."""
    folders = [flags.config_dir] if flags.config_dir else []
    search = [argument for argument in flags.overrides if argument.startswith("hydra.searchpath=")]
    for override in parse(search, OverridesParser.create())[0]:
        value = override.value()
        folders += [str(path) for path in value] if isinstance(value, list) else []
    return [Path(path.removeprefix("file://")).resolve() for path in folders if "pkg:" not in path]


def _primary_problems(name: str, catalogue: Catalogue) -> list[str]:
    """Return a problem for each unknown key in the file of `--config-name`."""
    if name == "config" or (file := catalogue.file("", name)) is None:
        return []
    own = {key: value for key, value in parsed(file).items() if key not in ("defaults", "hydra")}
    return [f"{file}: {problem}" for problem in unknown_keys(own, catalogue.whole_tree, catalogue)]


def _run_problems(
    flags: argparse.Namespace,
    overrides: list[Override],
    composer: Composer,
    parser: OverridesParser,
) -> list[str]:
    """Return the problems of the run or of all cells, and of the output folder."""
    modes = [str(o.value()).upper() for o in overrides if o.key_or_group == "hydra.mode"]
    multirun = flags.multirun or "MULTIRUN" in modes
    together = shared_folder_problems(overrides, multirun=multirun)
    if multirun:
        driver, problems = _sweep_problems(overrides, composer, parser)
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
    """Return why the folder of a run or sweep cannot be created or written."""
    runs, folder = (found_value(cfg, path) for path in ("paths.runs", key)) if cfg else (None, None)
    if not isinstance(runs, str) or not isinstance(folder, str):
        return []
    inside = Path(runs) in Path(folder).parents
    problem = unwritable("paths.runs", runs) if inside else unwritable(key, folder)
    return [problem] if problem else []


def _sweep_problems(
    overrides: list[Override], composer: Composer, parser: OverridesParser
) -> tuple[DictConfig | None, list[str]]:
    """Return the driver's configuration, and all problems of all cells, each once."""
    driver = composer.chosen([o for o in overrides if not o.is_sweep_override()])
    if isinstance(driver, str):
        return None, [driver]
    try:
        every = [*parameters(driver, parser), *overrides]
        if several := [_several(override) for override in every if _is_of_all_cells(override)]:
            return driver, several
        if wrong := _space_problems(every, driver, composer.catalogue):
            return driver, wrong
        lines = cells(overrides, driver, parser)
    except HydraException as error:
        return None, [first_line(error)]
    found: Counter[str] = Counter()
    for line in lines:
        cfg, problems = composer.composed(parser.parse_overrides(line))
        problems += [] if cfg is None else find_problems(cfg, composer.catalogue)
        found.update(set(problems))
    return driver, [_counted(problem, count, len(lines)) for problem, count in found.items()]


def _space_problems(every: list[Override], driver: DictConfig, catalogue: Catalogue) -> list[str]:
    """Return the problems of what a sweep varies, by its sweeper."""
    if is_grid(driver):
        return grid_problems(every)
    if not is_adaptive(driver):
        return []
    return adaptive_problems(
        every,
        rules=rules_of(as_written(driver), catalogue),
        has_head="finetune" in stages(driver) or any(o.key_or_group == "head" for o in every),
        metric=next(
            (o.value() for o in every if o.key_or_group == "sweep_metric"),
            found_value(driver, "sweep_metric"),
        ),
    )


def _is_of_all_cells(override: Override) -> bool:
    """Return whether an override varies the sweep's name, folder or launcher."""
    return override.is_sweep_override() and (
        is_hydra(override) or override.key_or_group in ("sweep", "sweep_metric", "paths.runs")
    )


def _several(override: Override) -> str:
    key, _, value = str(override.input_line).partition("=")
    return (
        f"{key}={value}: is the same for all cells of a sweep; set one value, or start a sweep "
        f"for each (one text with a comma is written {as_argument(key, value)})"
    )


def _counted(problem: str, count: int, total: int) -> str:
    """Add to a problem the number of cells that have it."""
    first, line_break, rest = problem.partition("\n")
    note = "" if count == total else f" [in {count} of {total} cells]"
    return f"{first}{note}{line_break}{rest}"
