"""All cells of a sweep, checked before the first one starts."""

from collections import Counter

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from handpose.check.composed import find_problems
from handpose.check.composer import Composer
from handpose.check.refusal import first_line, with_note

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
    params = OmegaConf.select(driver, "hydra.sweeper.params") or {}
    own = parser.parse_overrides([f"{key}={value}" for key, value in params.items()])
    return BasicSweeper.split_arguments([*own, *overrides], None)[0]


def _cell_problems(cell: list[Override], composer: Composer) -> list[str]:
    cfg, problems = composer.composed(cell)
    return problems + (find_problems(cfg, composer.catalogue) if cfg is not None else [])


def _counted(problem: str, count: int, total: int) -> str:
    """A problem of some cells alone says of how many."""
    note = f"[in {count} of {total} cells]"
    return problem if count == total else with_note(problem, note)
