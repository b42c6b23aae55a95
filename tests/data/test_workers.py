"""Workers do not stop when told, and yet do not keep a run that failed from its end."""

import subprocess
import sys
from pathlib import Path

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
