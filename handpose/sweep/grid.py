"""The cells of a sweep, as the command that starts it knows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import filter_overrides
from omegaconf import DictConfig, OmegaConf, open_dict

from handpose.check.stored import changes
from handpose.check.sweep import cells, is_grid
from handpose.rundir import CONFIG, RESULTS, read_json


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        overrides: what it is told, Hydra's own overrides left out.
        folder: its run directory.
        config: as resolved, without Hydra's part.
    """

    overrides: tuple[str, ...]
    folder: Path
    config: dict[str, Any]

    def is_finished(self) -> bool:
        """Whether its results are there, of this very configuration."""
        if not (self.folder / RESULTS).is_file():
            return False
        try:
            read_json(self.folder / RESULTS)
            before = read_json(self.folder / CONFIG)
        except (OSError, ValueError):
            return False
        return not changes(before, self.config)


def grid(driver: DictConfig, loader: ConfigLoader) -> list[Cell]:
    """All cells of the sweep that `driver` asks for, in the order in which they are started.

    None of a sweeper that chooses its values as it goes.
    """
    if not is_grid(driver):
        return []
    parser = OverridesParser.create(loader)
    overrides = parser.parse_overrides(list(driver.hydra.overrides.task))
    lines = cells(overrides, driver, parser)
    return [cell(driver, loader, line, number) for number, line in enumerate(lines)]


def cell(driver: DictConfig, loader: ConfigLoader, overrides: Sequence[str], number: int) -> Cell:
    """The cell that Hydra's launchers make of these overrides."""
    cfg = loader.load_sweep_config(driver, list(overrides))
    with open_dict(cfg):
        cfg.hydra.job.num, cfg.hydra.job.id = number, f"job_id_for_{number}"
        folder = Path(cfg.hydra.sweep.dir) / str(cfg.hydra.sweep.subdir)
        own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    config: Any = OmegaConf.to_container(own, resolve=True)
    return Cell(tuple(filter_overrides(overrides)), folder.absolute(), config)
