"""Helper processes of a run: how many, how they start, and how they end."""

import atexit
import errno
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from multiprocessing.queues import Queue
from typing import Any, NoReturn

from handpose.distributed.processes import num_cores

# Told to every process of a job, and answered by the run alone.
_OF_THE_RUN = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)


def default_num_workers(num_processes: int = 1) -> int:
    """As many workers as each of the processes here has cores, eight at most."""
    return min(8, max(1, num_cores() // num_processes))


def process_context() -> BaseContext:
    """Says how data workers start: named, since joblib changes the default in its processes."""
    if sys.platform == "linux":
        return multiprocessing.get_context("fork")
    # A spawned process takes over the default, and does not know joblib's.
    multiprocessing.set_start_method("spawn", force=True)
    return multiprocessing.get_context("spawn")


@contextmanager
def leaving_signals_to_the_run() -> Iterator[None]:
    """For processes started inside: from their first moment on none of `_OF_THE_RUN` ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_RUN)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker(worker: int) -> None:
    """Leaves signals to the run, and ends a worker that cannot send its batches.

    Slurm, or Ctrl-C, tells every process of a job to stop; a worker that did would be missed.
    Python only prints what keeps a worker from sending a batch, and the run would wait forever.
    """
    for number in _OF_THE_RUN:
        signal.signal(number, signal.SIG_IGN)
    Queue._on_queue_feeder_error = staticmethod(_end_worker)  # type: ignore[attr-defined]


def _end_worker(error: Exception, _: Any) -> NoReturn:
    """Ends this process with an exit code that says what ran short (see `handpose.config.machine`).

    Beside open files that is the shared memory that tensors are sent in.
    """
    os._exit(errno.EMFILE if getattr(error, "errno", None) == errno.EMFILE else errno.ENOSPC)


@atexit.register
def _end_those_left() -> None:
    """Kills the workers of a run that failed amid a batch: told to stop they would go on.

    Python waits for all of them at its end, after this.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's own would call each death an error
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()
