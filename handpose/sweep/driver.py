"""The process that started a sweep, seen from a cell that has a process of its own (joblib)."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
