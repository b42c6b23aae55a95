"""Worker processes of a run: number, start and end."""

import atexit
import errno
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from multiprocessing.queues import Queue
from typing import Any, NoReturn

from handpose.distributed.processes import num_cores

# Signals that reach every process of a job, and that only the run handles.
_OF_THE_RUN = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)


def default_num_workers(num_processes: int = 1, *, on_gpu: bool) -> int:
    """Return the number of data workers: the cores of each process on this machine, at most 8.

    A network on the CPU needs the cores itself, and far longer for an image than a worker: there
    it is a quarter of them, and none below four cores.

    Args:
        num_processes: of the run, on this machine.
        on_gpu: whether the run trains on GPUs.
    """
    cores = max(1, num_cores() // num_processes)
    return min(8, cores if on_gpu else cores // 4)


def process_context() -> BaseContext:
    """Return how data workers start. It is explicit because joblib changes the default."""
    if sys.platform == "linux":
        return multiprocessing.get_context("fork")
    # A spawned process inherits the default, and does not know joblib's.
    multiprocessing.set_start_method("spawn", force=True)
    return multiprocessing.get_context("spawn")


@contextmanager
def leaving_signals_to_the_run() -> Iterator[None]:
    """Block the signals of the run in processes started inside, from their first moment."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_RUN)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker(worker: int) -> None:
    """Ignore the signals of the run, and end a worker that cannot send its batches.

    Slurm and Ctrl-C signal every process of a job, but the run still needs its workers. If a worker
    cannot send a batch, Python only prints the reason, and the run would wait forever. After a run
    that was killed, torch's worker would wait forever, for a pipe that nobody reads.
    """
    for number in _OF_THE_RUN:
        signal.signal(number, signal.SIG_IGN)
    Queue._on_queue_feeder_error = staticmethod(_end_worker)  # type: ignore[attr-defined]
    threading.Thread(target=_end_after, args=[os.getppid()], daemon=True).start()


def _end_after(run: int) -> NoReturn:
    """End this process within a second of the end of the run, by its process number."""
    while os.getppid() == run:
        time.sleep(1)
    os._exit(1)


def _end_worker(error: Exception, _: Any) -> NoReturn:
    """End this process; the exit code says what ran short: open files or shared memory."""
    os._exit(errno.EMFILE if getattr(error, "errno", None) == errno.EMFILE else errno.ENOSPC)


@atexit.register
def _kill_remaining_workers() -> None:
    """Kill the workers of a run that failed within a batch: they ignore requests to stop.

    Python waits for all of them at its end, after this.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler would raise at each death
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()
