"""The processes that load for a run: how many, and how they end."""

import atexit
import multiprocessing
import os
import signal


def default_num_workers(num_processes: int = 1) -> int:
    """As many workers as each of the processes here has cores, eight at most."""
    return min(8, max(1, len(os.sched_getaffinity(0)) // num_processes))


def leave_signals_to_the_run(worker: int) -> None:
    """Slurm, or Ctrl-C, tells every process of a job to stop; a worker that did would be missed."""
    for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


@atexit.register
def _end_those_left() -> None:
    """Kills the workers of a run that failed amid a batch: told to stop they would go on.

    Python waits for all of them at its end, after this.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's own would call each death an error
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()
