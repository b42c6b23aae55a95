"""Execute an adaptive sweep: suggest trials, launch their cells, and read their metric."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, flag_override

from handpose.config.composer import parameters
from handpose.config.errors import UserError
from handpose.sweep.cells import Cell, cell
from handpose.sweep.metric import direction_of
from handpose.sweep.rows import Row, read_rows
from handpose.sweep.trials import Trials, one_driver, study_name

_log = logging.getLogger(__name__)
Launch = Callable[[Sequence[Sequence[str]], int], Any]


class Plan(NamedTuple):
    """The settings of `hydra.sweeper`."""

    n_trials: int
    n_jobs: int
    sampler: str
    seed: int | None
    direction: str | None
    max_failure_rate: float


def all_overrides(driver: DictConfig, loader: ConfigLoader) -> list[Override]:
    """Return the overrides of an adaptive sweep; the command line wins over a file's parameters.

    Args:
        driver: configuration of the process that starts the sweep.
        loader: Hydra's configuration loader.
    """
    parser = OverridesParser.create(loader)
    typed = parser.parse_overrides(list(driver.hydra.overrides.task))
    every = [*parameters(driver, parser), *typed]
    return list({override.get_key_element(): override for override in every}.values())


def with_short_names(driver: DictConfig, loader: ConfigLoader) -> DictConfig:
    """Return the driver's configuration with cells named after what differs, and the study.

    A folder is `head-heatmap_optimizer.lr-0.001-2c7e`; `hydra.sweep.subdir=` chooses another name.

    Args:
        driver: configuration of the process that starts the sweep.
        loader: Hydra's configuration loader.
    """
    given = driver.hydra.overrides.hydra
    if any(override.startswith("hydra.sweep.subdir=") for override in given):
        return driver
    overrides = all_overrides(driver, loader)
    swept = {o.key_or_group for o in overrides if o.is_sweep_override()}
    fixed = [o.key_or_group for o in overrides if o.key_or_group not in swept]
    study = study_name(overrides, driver.sweep_metric)[:4]
    driver = driver.copy()
    with flag_override(driver, ["struct", "readonly"], False):
        driver.hydra.overrides.hydra = [
            *given,
            f"hydra.job.config.override_dirname.exclude_keys=[{','.join(['sweep', *fixed])}]",
            f'hydra.sweep.subdir="${{cell_name:${{hydra.job.override_dirname}}}}-{study}"',
        ]
    return driver


class AdaptiveSweep:
    """One study, from the driver's configuration to its last trial.

    Args:
        driver: configuration of the process that starts the sweep.
        loader: Hydra's configuration loader.
        launch: executes cells by their overrides; second argument: number of the first.
        add: receives each cell, for the table.
        plan: settings of the sweeper.
    """

    def __init__(
        self,
        driver: DictConfig,
        loader: ConfigLoader,
        *,
        launch: Launch,
        add: Callable[[Cell], None],
        plan: Plan,
    ) -> None:
        self._driver, self._loader, self._launch, self._add = driver, loader, launch, add
        self._plan, self._metric = plan, driver.sweep_metric
        self._cells: dict[tuple[str, ...], Cell] = {}
        self._launched = 0

    def run(self) -> None:
        """Execute trials until `n_trials` of the study have a value or were tried in this call.

        Raises:
            UserError: another process runs the sweep, or too many trials of a batch failed.
        """
        folder = Path(self._driver.hydra.sweep.dir).absolute()
        with one_driver(folder):
            trials = self._trials(folder)
            for overrides in trials.known():  # of earlier calls, for the table
                self._cell(overrides)
            finished = trials.recover(lambda overrides: self._cell(overrides).is_finished())
            rest = self._plan.n_trials - finished
            _log.info("%d trials, %d of them to run", self._plan.n_trials, max(0, rest))
            while rest > 0:
                self._batch(trials, min(rest, self._plan.n_jobs))
                rest -= self._plan.n_jobs
        if best := trials.best():
            _log.info("best trial: %s: %.4g", " ".join(best[0]), best[1])

    def _trials(self, folder: Path) -> Trials:
        return Trials(
            folder,
            all_overrides(self._driver, self._loader),
            metric=self._metric,
            direction=direction_of(self._metric),
            sampler=self._plan.sampler,
            seed=self._plan.seed,
        )

    def _cell(self, overrides: tuple[str, ...]) -> Cell:
        """Compose the cell of a trial, once, and add it to the table."""
        if overrides not in self._cells:
            number = len(self._cells)
            self._cells[overrides] = cell(self._driver, self._loader, overrides, number)
            self._add(self._cells[overrides])
        return self._cells[overrides]

    def _batch(self, trials: Trials, size: int) -> None:
        """Suggest trials, launch those without results together, and record their values."""
        asked = [trials.ask() for _ in range(size)]
        chosen = [trials.overrides(trial) for trial in asked]
        cells = {overrides: self._cell(overrides) for overrides in chosen}
        waiting = [overrides for overrides, own in cells.items() if not own.is_finished()]
        if waiting:
            self._launch(waiting, self._launched)
            self._launched += len(waiting)
        rows = dict(zip(cells, read_rows(list(cells.values()), self._metric), strict=True))
        for trial, overrides in zip(asked, chosen, strict=True):
            trials.tell(trial, self._told(rows[overrides]))
        failed = sum(rows[overrides].value is None for overrides in chosen)
        if failed / size > self._plan.max_failure_rate:
            raise UserError(
                f"{failed} of {size} trials failed, more than hydra.sweeper.max_failure_rate="
                f"{self._plan.max_failure_rate} allows; their reasons are in the table"
            )

    def _told(self, row: Row) -> float | None:
        """Return the value of a trial, and log a trial without one."""
        if row.value is None:
            _log.warning("%s: the trial counts as failed: %s", row.cell.folder, row.why_no_value)
        return row.value
