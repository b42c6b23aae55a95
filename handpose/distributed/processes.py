"""Start the processes of a run, or detect that torchrun or srun started them.

This module does not import torch, so that the waiting parent process stays small.
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

# Environment variable of the processes of a sweep's cell, which Hydra sees as single runs.
IN_SWEEP = "HANDPOSE_IN_SWEEP"
# Environment variables that torchrun sets for each process, as does `start`.
_TOLD = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
_GRACE = 20.0  # seconds from the first failure until the other processes are killed
_PR_SET_PDEATHSIG = 1


class Launched(NamedTuple):
    """How this process was started together with others."""

    by: str  # "torchrun" or "srun"
    num_processes: int


def launched(environment: Mapping[str, str] = os.environ) -> Launched | None:
    """Return the launcher and the number of processes; None for a single process.

    Slurm's task count is that of a job step; a batch script is a single process.
    """
    if all(name in environment for name in _TOLD):
        return Launched("torchrun", int(environment["WORLD_SIZE"]))
    if "SLURM_PROCID" in environment and int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return Launched("srun", int(environment["SLURM_STEP_NUM_TASKS"]))
    return None


def start(command: Sequence[str], count: int, *, in_sweep: bool = False) -> int:
    """Execute `command` in `count` processes on this machine and wait for all.

    After a failure, the other processes are killed, since they may wait for it forever. Signals are
    forwarded to the processes, and they end with this process.

    Args:
        command: program and arguments.
        count: number of processes.
        in_sweep: whether they are a cell of a sweep.

    Returns:
        The exit code of the first process to fail (128 + n after signal n), or 0.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {IN_SWEEP: 1} if in_sweep else {}
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": num_threads(count)}
    processes = [
        subprocess.Popen(
            command,
            env=os.environ | _texts({"RANK": rank, "LOCAL_RANK": rank, **shared, **threads}),
            start_new_session=True,  # they receive Ctrl-C once, from this process
            preexec_fn=end_with_parent,
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
    """Return the cores that this process may use; on macOS, all cores of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def num_threads(count: int) -> int:
    """Return the threads of each of `count` processes: its share of the cores, at least 1."""
    return max(1, num_cores() // count)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def end_with_parent() -> None:
    """Let the system kill this process when its parent ends; for `preexec_fn`, on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _first_failure(processes: Sequence[subprocess.Popen]) -> int:
    """Wait until all have ended, or for `_GRACE` after the first failure."""
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
    """Convert Popen's -n for signal n to the shell's 128 + n."""
    return code if code > 0 else 128 - code


@contextmanager
def _forwarding(processes: Sequence[subprocess.Popen]) -> Iterator[None]:
    """Forward signals to `processes` during the block."""
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
