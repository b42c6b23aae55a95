"""Hydra callback that writes the result table at the end of a sweep."""

import atexit
import logging
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from handpose.pipeline.resume import how_to_resume, resume_command
from handpose.sweep.cells import Cell, grid

_log = logging.getLogger(__name__)


class SweepTable(Callback):
    """Write and print the table of all cells; exit with code 1 if one has no results.

    It reads the cells' folders and so works with any launcher. The table is also written after
    Ctrl-C or a launcher's error.
    """

    def __init__(self) -> None:
        self._cells: list[Cell] = []
        self._folder, self._name, self._command = Path(), "", ""

    def __reduce__(self) -> tuple[type["SweepTable"], tuple[()]]:
        return SweepTable, ()  # jobs do not use its state

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        self._cells = grid(config, GlobalHydra.instance().config_loader())
        self._folder, self._name = Path(config.hydra.sweep.dir).absolute(), config.sweep
        self._command = resume_command(config.hydra)
        if self._cells:
            atexit.register(self._write)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        atexit.unregister(self._write)
        if self._cells and not self._write():
            raise SystemExit(1)

    def _write(self) -> bool:
        """Write and print the table; return whether every cell is finished."""
        # Imported late: every run imports this file, and most are not sweeps.
        from handpose.sweep.table import counts, print_table, read_rows, write_table

        rows = read_rows(self._cells)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_table(self._folder, rows, sweep=self._name, command=self._command)
        print_table(self._folder, rows)
        is_finished = counts(rows)["finished"] == len(rows)
        if not is_finished:
            _log.warning("%s", how_to_resume(self._command))
        return is_finished
