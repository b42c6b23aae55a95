"""The cells of a sweep: known before it starts, and run so that a failure stays in its folder."""

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

from handpose.config.composer import cells, is_grid
from handpose.config.errors import told_alone
from handpose.config.stored import changes
from handpose.messages import first_line
from handpose.pipeline.run_directory import RESULTS, read_config, read_json

_log = logging.getLogger(__name__)


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
            before = read_config(self.folder)
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


FAILURE = "failure.txt"
# Exit codes from here on are a signal's: the process is to end, not the cell alone.
_SIGNALLED = 128


def attempt(run: Callable[[DictConfig], None], cfg: DictConfig) -> str | None:
    """Runs `cfg`; a single run fails as it fails, a cell of a grid returns why.

    The traceback of a failed cell goes to its own log and to its `failure.txt`. Whoever started the
    sweep gives the exit code, from what lies in the folders (see `SweepTable`).
    """
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        with told_alone():
            run(cfg)
        return None
    if not is_grid(OmegaConf.create({"hydra": hydra})):
        run(cfg)
        return None
    failure = Path(hydra.runtime.output_dir) / FAILURE
    failure.unlink(missing_ok=True)
    try:
        with following_driver():
            run(cfg)
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and is_signal(error.code):
            raise
        _log.exception("this cell failed; the others go on")
        return leave_failure(failure.parent, error)
    return None


def is_signal(code: object) -> bool:
    """Whether an exit code says that the process was told to end."""
    return isinstance(code, int) and code >= _SIGNALLED


def leave_failure(folder: Path, error: BaseException) -> str:
    """Writes the traceback into the cell's folder; returns the line that says what is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(traceback.format_exception(error))
    (folder / FAILURE).write_text(f"{describe(error)}\n\n{text}", encoding="utf-8")
    return describe(error)


def describe(error: BaseException) -> str:
    """An error in one line, by its kind where that says more."""
    is_plain = isinstance(error, SystemExit | ValueError)
    return first_line(error) if is_plain else f"{type(error).__name__}: {first_line(error)}"


_LOOK_SECONDS = 1.0


@contextmanager
def following_driver() -> Iterator[None]:
    """Tells the run to stop once its driver is gone, and ends the process with it.

    Killed, a driver tells nobody: its cells would train on to their end, and their processes wait
    for another cell for ever. A cell in the driver's own process, and a Slurm job, whose driver may
    go, are left alone.
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
            os._exit(128 + signal.SIGTERM)  # what is raised here would end the cell alone


def _watch(driver: int, is_over: threading.Event) -> None:
    """An orphan's parent is another process."""
    while not is_over.wait(_LOOK_SECONDS):
        if os.getppid() != driver:
            os.kill(os.getpid(), signal.SIGTERM)  # noted, and acted on between two steps
            return
