"""A run of several processes on this machine, from one that only waits for them."""

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

# A run that was told to stop, and did: no failure of a cell, and the end of the whole sweep.
_SIGNALLED = 128
_TOLD_TO_STOP = (_SIGNALLED + signal.SIGINT, _SIGNALLED + signal.SIGTERM)


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
    command = [sys.executable, *python_arguments("train"), *run_arguments(hydra)]
    code = start(command, count, in_sweep=is_cell)
    if code == 0:
        return
    if code > _SIGNALLED and code not in _TOLD_TO_STOP:
        remember(hydra)  # a process that was killed has said nothing itself
        _log.error(
            "a process of the run was ended by signal %d; 9 is most likely the system's, for lack "
            "of memory: set trainer.num_workers=0, or lower the batch size in a new run",
            code - _SIGNALLED,
        )
    if is_cell and code not in _TOLD_TO_STOP:
        raise RuntimeError(f"one of the {count} processes failed with exit code {code}; see above")
    raise SystemExit(code)
