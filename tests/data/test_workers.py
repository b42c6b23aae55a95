"""Workers do not stop when told, and yet do not keep a run that failed from its end."""

import signal
import subprocess
import sys
from pathlib import Path

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
