"""Launch a run in several processes on this machine and wait for them."""

import logging
import signal
import sys

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from handpose.config.schema import num_processes
from handpose.distributed.processes import launched, start
from handpose.invocation import python_arguments
from handpose.pipeline.resume import remember, run_arguments

_log = logging.getLogger(__name__)

# Exit codes of a run stopped by a signal: the whole sweep ends, and no cell counts as failed.
_SIGNALLED = 128
_TOLD_TO_STOP = (_SIGNALLED + signal.SIGINT, _SIGNALLED + signal.SIGTERM)


def must_start_processes(cfg: DictConfig) -> bool:
    """Return whether the run needs several processes and no launcher has started them."""
    return num_processes(cfg.trainer) > 1 and launched() is None


def start_processes(cfg: DictConfig) -> None:
    """Re-execute this run, or this cell of a sweep, in every process and wait for all.

    Raises:
        SystemExit: a process failed or a signal stopped the run; with the exit code.
        RuntimeError: a process failed in a cell of a sweep; the other cells continue.
    """
    count, hydra = num_processes(cfg.trainer), HydraConfig.get()
    is_cell = hydra.mode == RunMode.MULTIRUN
    command = [sys.executable, *python_arguments("train"), *run_arguments(hydra)]
    code = start(command, count, in_sweep=is_cell)
    if code == 0:
        return
    if code > _SIGNALLED and code not in _TOLD_TO_STOP:
        remember(hydra)  # a killed process could not print how to resume
        _log.error(
            "signal %d ended a process of the run; 9 most likely means that the system ran out of "
            "memory: set trainer.num_workers=0, or lower the batch size in a new run",
            code - _SIGNALLED,
        )
    if is_cell and code not in _TOLD_TO_STOP:
        raise RuntimeError(f"one of the {count} processes failed with exit code {code}; see above")
    raise SystemExit(code)
