"""How a run gets its processes: started from outside, by torchrun or srun, or from here.

Nothing here needs torch: the process that only waits for the others stays small.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

# Set in the environment of the processes of a sweep's cell: Hydra takes each for a run by itself.
IN_SWEEP = "HANDPOSE_IN_SWEEP"
# What torchrun says to each process that it starts, and we to ours.
_TOLD = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
_GRACE = 20.0  # seconds from the first failure until what still hangs is killed
_PR_SET_PDEATHSIG = 1


class Launched(NamedTuple):
    """A process among others that were started together."""

    by: str  # "torchrun" or "srun"
    num_processes: int


def launched(environment: Mapping[str, str] = os.environ) -> Launched | None:
    """Who started this process together with others, and how many; None for a process alone.

    Slurm counts the tasks of a job step, so a batch script, which is in none, is a process alone.
    """
    if all(name in environment for name in _TOLD):
        return Launched("torchrun", int(environment["WORLD_SIZE"]))
    if "SLURM_PROCID" in environment and int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return Launched("srun", int(environment["SLURM_STEP_NUM_TASKS"]))
    return None


def start(command: Sequence[str], count: int, *, in_sweep: bool = False) -> int:
    """Runs `command` in `count` processes on this machine, until all have ended.

    If one fails, the others, which may wait for it for ever, are killed soon after. Signals to this
    process go on to them, and they do not outlive it.

    Args:
        in_sweep: whether they are a cell of a sweep.

    Returns:
        The exit code of the first process to fail, 128 + n for one that signal n ended; 0 if none.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {IN_SWEEP: 1} if in_sweep else {}
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": _threads(count)}
    processes = [
        subprocess.Popen(
            command,
            env=os.environ | _texts({"RANK": rank, "LOCAL_RANK": rank, **shared, **threads}),
            start_new_session=True,  # Ctrl-C reaches them through us alone, once
            preexec_fn=_end_with_parent,
        )
        for rank in range(count)
    ]
    with _forwarding(processes):
        try:
            return _first_failure(processes)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def num_cores() -> int:
    """Cores that this process may use; on macOS, which cannot tell, all of the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _threads(count: int) -> int:
    return max(1, num_cores() // count)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _first_failure(processes: Sequence[subprocess.Popen]) -> int:
    """Waits until all have ended, or until the grace is over after the first that failed."""
    failure, deadline = 0, float("inf")
    while True:
        codes = [process.poll() for process in processes]
        failure = failure or next((_as_exit_code(code) for code in codes if code), 0)
        if None not in codes or time.monotonic() > deadline:
            return failure
        if failure:
            deadline = min(deadline, time.monotonic() + _GRACE)
        time.sleep(0.05)


def _as_exit_code(code: int) -> int:
    """What a shell calls it: Popen has -n for signal n."""
    return code if code > 0 else 128 - code


@contextmanager
def _forwarding(processes: Sequence[subprocess.Popen]) -> Iterator[None]:
    """Signals to this process go to `processes`, as long as this lasts."""
    if threading.current_thread() is not threading.main_thread():
        yield  # another thread cannot catch signals
        return

    def forward(number: int, _: Any) -> None:
        for process in processes:
            process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
