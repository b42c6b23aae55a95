"""Workers: their number; they do not stop when told, nor keep a run that failed from its end."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handpose.data import workers
from handpose.data.workers import leaving_signals_to_the_run

ROOT = Path(__file__).resolve().parents[2]
FAILS_AMID_A_BATCH = """
import torch
from torch.utils.data import DataLoader
from handpose.data.workers import begin_worker

loader = DataLoader(
    torch.arange(64), num_workers=2, worker_init_fn=begin_worker,
    persistent_workers=True,
)
batches = iter(loader)
next(batches)
kept = [batches]
kept.append(kept)
raise SystemExit(3)
"""

IS_KILLED = """
import os, signal, time
from torch.utils.data import DataLoader
from handpose.data.workers import begin_worker, process_context

batches = iter(DataLoader(
    [b"0" * 1_000_000] * 64, batch_size=2, collate_fn=list, num_workers=2,
    worker_init_fn=begin_worker, multiprocessing_context=process_context(),
))
next(batches)
print(*(worker.pid for worker in batches._workers), flush=True)
time.sleep(1)  # until both wait for a pipe with room
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_worker_outlives_a_run_that_is_killed() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", IS_KILLED], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    workers = [Path("/proc", number) for number in run.stdout.readline().split()]
    assert len(workers) == 2
    assert run.wait(60) == -signal.SIGKILL
    end = time.monotonic() + 30
    while any(worker.exists() for worker in workers) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [worker for worker in workers if worker.exists()]


def test_a_run_that_fails_amid_a_batch_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILS_AMID_A_BATCH],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "")


def test_a_signal_to_the_whole_job_ends_no_helper_that_is_only_starting() -> None:
    """Ctrl-C during its imports ended it, and the run called that a lack of memory."""
    survives = "import os, signal; [os.kill(os.getpid(), n) for n in (2, 15, 12)]; print('alive')"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with leaving_signals_to_the_run():
        helper = subprocess.run(
            [sys.executable, "-c", survives], capture_output=True, text=True, check=False
        )
    assert helper.stdout == "alive\n"
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.parametrize(
    ("cores", "processes", "on_gpu", "expected"),
    [
        *((2, 1, False, 0), (4, 1, False, 1), (64, 1, False, 8), (64, 8, False, 2)),
        *((2, 1, True, 2), (1, 2, True, 1), (16, 1, True, 8), (16, 4, True, 4)),
    ],
)
def test_the_default_number_leaves_the_cores_to_a_network_on_the_cpu(
    cores: int, processes: int, on_gpu: bool, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "num_cores", lambda: cores)
    assert workers.default_num_workers(processes, on_gpu=on_gpu) == expected
