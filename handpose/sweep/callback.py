"""Hydra callback that writes the result table at the end of a sweep."""

import atexit
import logging
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from handpose.config.composer import is_adaptive
from handpose.config.errors import refuse
from handpose.pipeline.resume import how_to_resume, resume_command
from handpose.sweep.cells import Cell, cell, grid
from handpose.sweep.metric import direction_of, metric_problems

_log = logging.getLogger(__name__)


class SweepTable(Callback):
    """Write and print the table of all cells; exit with code 1 if one has no results.

    It reads the cells' folders and so works with any launcher. The table is also written after
    Ctrl-C or a launcher's error. The cells of an adaptive sweep are added one by one.
    """

    def __init__(self) -> None:
        self._cells: list[Cell] = []
        self._folder, self._name, self._command = Path(), "", ""
        self._metric: str | None = None

    def __reduce__(self) -> tuple[type["SweepTable"], tuple[()]]:
        return SweepTable, ()  # jobs do not use its state

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        cells = grid(config, GlobalHydra.instance().config_loader())
        self._folder, self._name = Path(config.hydra.sweep.dir).absolute(), config.sweep
        self._command, self._metric = resume_command(config.hydra), config.sweep_metric
        _refuse_wrong_metric(config, cells)
        for own in cells:
            self.add(own)

    def add(self, own: Cell) -> None:
        """Add a cell to the table.

        Args:
            own: the cell.
        """
        if not self._cells:
            atexit.register(self._write)
        self._cells.append(own)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        atexit.unregister(self._write)
        if self._cells and not self._write():
            raise SystemExit(1)

    def _write(self) -> bool:
        """Write and print the table; return whether every cell is finished."""
        # Imported late: every run imports this file, and most are not sweeps.
        from handpose.sweep.rows import counts, read_rows
        from handpose.sweep.summary import Summary
        from handpose.sweep.table import print_table, write_table

        rows = read_rows(self._cells, self._metric)
        summary = Summary(self._folder, rows, self._metric)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_table(summary, sweep=self._name, command=self._command)
        print_table(summary)
        is_finished = counts(rows)["finished"] == len(rows)
        if not is_finished:
            _log.warning("%s", how_to_resume(self._command))
        return is_finished


def _refuse_wrong_metric(driver: DictConfig, cells: list[Cell]) -> None:
    """Refuse a metric that cannot choose a cell, before the first cell starts."""
    metric, problems = driver.sweep_metric, []
    if metric is not None:
        loader = GlobalHydra.instance().config_loader()
        shared = [o for o in driver.hydra.overrides.task if not _is_swept(o)]
        known = cells or [cell(driver, loader, shared, 0)]
        problems = metric_problems(metric, [own.config for own in known])
    if is_adaptive(driver) and not problems:
        wanted, right = driver.hydra.sweeper.direction, direction_of(metric)
        if wanted not in (None, right):
            problems = [
                f"hydra.sweeper.direction={wanted}: {metric or 'the validation error'} is better "
                f"when it is {'lower' if right == 'minimize' else 'higher'}; leave out direction"
            ]
    if problems:
        refuse(problems)


def _is_swept(override: str) -> bool:
    return OverridesParser.create().parse_override(override).is_sweep_override()
