"""List the cells of a sweep before it starts, and execute cells with isolated failures."""

import logging
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import filter_overrides
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from handpose.config.composer import cells, is_adaptive, is_grid
from handpose.config.errors import told_alone
from handpose.config.stored import changes
from handpose.messages import first_line
from handpose.pipeline.run_directory import FAILURE, RESULTS, read_config, read_json
from handpose.sweep.metric import read_value

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        overrides: of the cell, without Hydra's own.
        folder: run directory.
        config: resolved, without Hydra's part.
    """

    overrides: tuple[str, ...]
    folder: Path
    config: dict[str, Any]

    def is_finished(self) -> bool:
        """Return whether the folder has results of exactly this configuration."""
        if not (self.folder / RESULTS).is_file():
            return False
        try:
            read_json(self.folder / RESULTS)
            before = read_config(self.folder)
        except (OSError, ValueError):
            return False
        return not changes(before, self.config)


def grid(driver: DictConfig, loader: ConfigLoader) -> list[Cell]:
    """Return all cells of a grid sweep in launch order; empty for an adaptive sweeper.

    Args:
        driver: configuration of the process that starts the sweep.
        loader: Hydra's configuration loader.
    """
    if not is_grid(driver):
        return []
    parser = OverridesParser.create(loader)
    overrides = parser.parse_overrides(list(driver.hydra.overrides.task))
    lines = cells(overrides, driver, parser)
    return [cell(driver, loader, line, number) for number, line in enumerate(lines)]


def cell(driver: DictConfig, loader: ConfigLoader, overrides: Sequence[str], number: int) -> Cell:
    """Compose one cell as Hydra's launchers do.

    Args:
        driver: configuration of the process that starts the sweep.
        loader: Hydra's configuration loader.
        overrides: of the cell.
        number: of the cell, from 0.
    """
    cfg = loader.load_sweep_config(driver, list(overrides))
    with open_dict(cfg):
        cfg.hydra.job.num, cfg.hydra.job.id = number, f"job_id_for_{number}"
        folder = Path(cfg.hydra.sweep.dir) / str(cfg.hydra.sweep.subdir)
        own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    config: Any = OmegaConf.to_container(own, resolve=True)
    return Cell(tuple(filter_overrides(overrides)), folder.absolute(), config)


# Exit codes from 128 mean a signal, which ends the process and not only the cell.
_SIGNALLED = 128


def attempt(run: Callable[[DictConfig], None], cfg: DictConfig) -> float | str | None:
    """Execute `run(cfg)`; a single run raises its errors, a cell of a sweep returns the reason.

    The traceback of a failed cell goes to its log and its `failure.txt`. `SweepTable` sets the exit
    code of the sweep.

    Args:
        run: executes one run.
        cfg: its configuration.

    Returns:
        None for a single run. For a cell, the value of `sweep_metric` (None if its results have
        none), or the reason of its failure.
    """
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        with told_alone():
            run(cfg)
        return None
    folder, driver = Path(hydra.runtime.output_dir), OmegaConf.create({"hydra": hydra})
    if not is_grid(driver) and not is_adaptive(driver):  # a sweeper that we do not know
        run(cfg)
        return read_value(cfg.sweep_metric, folder)
    failure = folder / FAILURE
    failure.unlink(missing_ok=True)
    try:
        with following_driver():
            run(cfg)
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and is_signal(error.code):
            raise
        _log.exception("this cell failed; the other cells continue")
        return leave_failure(folder, error)
    return read_value(cfg.sweep_metric, folder)


def is_signal(code: object) -> bool:
    """Return whether an exit code is that of a signal."""
    return isinstance(code, int) and code >= _SIGNALLED


def leave_failure(folder: Path, error: BaseException) -> str:
    """Write the traceback to the cell's folder; return the error in one line.

    Args:
        folder: of the cell; created if missing.
        error: that ended the cell.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(traceback.format_exception(error))
    (folder / FAILURE).write_text(f"{describe(error)}\n\n{text}", encoding="utf-8")
    return describe(error)


def describe(error: BaseException) -> str:
    """Return an error in one line, with its type unless it is a plain message."""
    is_plain = isinstance(error, SystemExit | ValueError)
    return first_line(error) if is_plain else f"{type(error).__name__}: {first_line(error)}"


_LOOK_SECONDS = 1.0


@contextmanager
def following_driver() -> Iterator[None]:
    """Stop the run and its process when the sweep's driver is gone.

    A killed driver sends no signal, so its cells would continue and their processes wait forever.
    No-op in the driver's own process and in Slurm jobs, which may outlive the driver.
    """
    if multiprocessing.current_process().name == "MainProcess":
        yield
        return
    is_over, driver = threading.Event(), os.getppid()
    threading.Thread(target=_watch, args=(driver, is_over), daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
        if os.getppid() != driver:
            logging.shutdown()
            os._exit(128 + signal.SIGTERM)  # an exception would end only the cell


def _watch(driver: int, is_over: threading.Event) -> None:
    """Send SIGTERM to this process when its parent is no longer the driver."""
    while not is_over.wait(_LOOK_SECONDS):
        if os.getppid() != driver:
            os.kill(os.getpid(), signal.SIGTERM)  # handled between two steps
            return
