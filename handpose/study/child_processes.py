"""Starts runs of a study as child processes: forks of one process, or new interpreters."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from handpose.distributed.processes import IN_SWEEP, end_with_parent, num_threads
from handpose.invocation import python_arguments
from handpose.study.warm_start import ForkedRun, ForkServer

Process = subprocess.Popen | ForkedRun
# Starts train.py with these arguments, and appends its output to this file.
Launch = Callable[[Sequence[str], Path], Process]


def environment(jobs: int) -> Mapping[str, str]:
    """Returns what the runs find in their environment beside the study's own.

    Args:
        jobs: number of runs at once.
    """
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(num_threads(jobs))}
    return {IN_SWEEP: "1", **threads}


@contextmanager
def launcher(jobs: int, *, on_slurm: bool = False) -> Iterator[Launch]:
    """Gives a function that starts runs: forks on Linux, else new interpreters.

    Args:
        jobs: number of runs at once.
        on_slurm: whether the runs are Slurm jobs, which do not share the cores of this machine.
    """
    own = {} if on_slurm else environment(jobs)
    if sys.platform != "linux":  # elsewhere a fork of a large program is not safe
        yield partial(start_interpreter, own)
        return
    server = ForkServer(own)
    try:
        yield server.start
    finally:
        server.close()


def start_interpreter(
    own: Mapping[str, str], arguments: Sequence[str], output: Path
) -> subprocess.Popen:
    """Starts train.py in a new interpreter.

    Args:
        own: its environment, beside that of this process.
        arguments: of train.py.
        output: file that its output is appended to.
    """
    with output.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, *python_arguments("train"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **own},
            start_new_session=True,  # Ctrl-C reaches this process alone, which then stops them
            preexec_fn=end_with_parent,
        )
