"""A run of several processes on this machine, from one that only watches over them."""

import signal
import sys

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from handpose.check.catalogue import CONF
from handpose.config import num_processes
from handpose.processes import launched, start

# A run that was told to stop, and did: no failure of a cell, and the end of the whole sweep.
_TOLD_TO_STOP = (128 + signal.SIGINT, 128 + signal.SIGTERM)


def must_start_processes(cfg: DictConfig) -> bool:
    """Whether the run needs several processes, and nobody else has started them."""
    return num_processes(cfg.trainer) > 1 and launched() is None


def start_processes(cfg: DictConfig) -> None:
    """This run, or this cell of a sweep, once more in each of its processes, until they end.

    Raises:
        SystemExit: one failed, or all were told to stop; with the exit code.
        RuntimeError: one failed in a cell of a sweep, where the other cells go on.
    """
    count, hydra = num_processes(cfg.trainer), HydraConfig.get()
    is_cell = hydra.mode == RunMode.MULTIRUN
    command = [sys.executable, str(CONF.parent / "train.py"), *_arguments()]
    code = start(command, count, launcher=hydra.launcher._target_ if is_cell else None)
    if code == 0:
        return
    if is_cell and code not in _TOLD_TO_STOP:
        raise RuntimeError(f"one of the {count} processes failed with exit code {code}; see above")
    raise SystemExit(code)


def _arguments() -> list[str]:
    """The command line of this very run: its overrides, in its directory."""
    hydra = HydraConfig.get()
    folders = [
        f"file://{source.path}"
        for source in hydra.runtime.config_sources
        if source.schema == "file" and source.provider != "main"
    ]
    return [
        "--config-name",
        str(hydra.job.config_name),
        *hydra.overrides.task,
        f"hydra.run.dir={_quoted(hydra.runtime.output_dir)}",
        *([f"hydra.searchpath=[{','.join(map(_quoted, folders))}]"] if folders else []),
    ]


def _quoted(text: str) -> str:
    """`text` as Hydra's grammar takes any text."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
