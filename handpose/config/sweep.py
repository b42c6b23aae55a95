"""All cells of a sweep, checked before the first one starts."""

from collections import Counter

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from handpose.config.composed import find_problems
from handpose.config.composer import Composer
from handpose.config.overrides import is_hydra
from handpose.config.refusal import first_line, with_note
from handpose.config.writing import as_argument

_BASIC = f"{BasicSweeper.__module__}.{BasicSweeper.__qualname__}"


def sweep_problems(
    overrides: list[Override], composer: Composer, parser: OverridesParser
) -> tuple[DictConfig | None, list[str]]:
    """The driver's configuration, and all problems of all cells, each once."""
    fixed = [override for override in overrides if not override.is_sweep_override()]
    driver = composer.chosen(fixed)
    if isinstance(driver, str):
        return None, [driver]
    try:
        every = [*parameters(driver, parser), *overrides]
        if several := [_several(override) for override in every if _is_of_all_cells(override)]:
            return driver, several
        lines = cells(overrides, driver, parser)
    except HydraException as error:
        return None, [first_line(error)]
    found: Counter[str] = Counter()
    for cell in lines:
        found.update(dict.fromkeys(_cell_problems(parser.parse_overrides(cell), composer), 1))
    return driver, [_counted(problem, count, len(lines)) for problem, count in found.items()]


def is_grid(driver: DictConfig) -> bool:
    """Whether the cells are all combinations of values, known beforehand."""
    return OmegaConf.select(driver, "hydra.sweeper._target_") == _BASIC


def cells(
    overrides: list[Override], driver: DictConfig, parser: OverridesParser
) -> list[list[str]]:
    """The overrides of each cell. Other sweepers choose values as they go: what is fixed alone."""
    if not is_grid(driver):
        return [[str(o.input_line) for o in overrides if not o.is_sweep_override()]]
    return BasicSweeper.split_arguments([*parameters(driver, parser), *overrides], None)[0]


def parameters(driver: DictConfig, parser: OverridesParser) -> list[Override]:
    """The parameters of a sweep that a file sets."""
    params = OmegaConf.select(driver, "hydra.sweeper.params") or {}
    return parser.parse_overrides([f"{key}={value}" for key, value in params.items()])


def _is_of_all_cells(override: Override) -> bool:
    """Whether it varies what a sweep has one of: its name, its folder, its launcher."""
    return override.is_sweep_override() and (
        is_hydra(override) or override.key_or_group in ("sweep", "paths.runs")
    )


def _several(override: Override) -> str:
    key, _, value = str(override.input_line).partition("=")
    return (
        f"{key}={value}: a sweep has one of it for all its cells; give one value, or start a sweep "
        f"for each (one text with a comma is written {as_argument(key, value)})"
    )


def _cell_problems(cell: list[Override], composer: Composer) -> list[str]:
    cfg, problems = composer.composed(cell)
    return problems + (find_problems(cfg, composer.catalogue) if cfg is not None else [])


def _counted(problem: str, count: int, total: int) -> str:
    """A problem of some cells alone says of how many."""
    note = f"[in {count} of {total} cells]"
    return problem if count == total else with_note(problem, note)
