"""Workers: their number; they do not stop when told, nor keep a run that failed from its end."""

import signal
import subprocess
import sys
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
