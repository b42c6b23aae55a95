"""One cell of a sweep: a failure stays in its own folder, and the other cells go on."""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from handpose.check.refusal import first_line, told_alone
from handpose.check.sweep import is_grid
from handpose.sweep.driver import following_driver

_log = logging.getLogger(__name__)

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
