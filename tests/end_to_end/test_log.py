"""What a person sees of a run whose output goes to a file, as on a cluster, and on a terminal."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from network_guard import python_path

ROOT = Path(__file__).resolve().parents[2]
TINY = ("trainer=debug", "dataset.image_size=32", "report=false", "head=regression")
LONGER = ("trainer.caps.max_epochs=2", "finetune.max_epochs=2", "pretrain.max_epochs=2")
# A line for each batch: none is seen by chance.
EVERY_BATCH = "trainer.log_every_seconds=1e-6"
NOISE = ("srun", "LeafSpec", "font cache", "litlogger", "num_workers", "Warning")


def test_a_redirected_run_tells_what_it_does_and_how_far_it_is(
    train_process: Callable[..., subprocess.CompletedProcess], tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    done = train_process(*TINY, *LONGER, EVERY_BATCH, f"hydra.run.dir={run_dir}")
    assert done.returncode == 0, done.stderr
    log = (run_dir / "train.log").read_text()
    for line in log.splitlines():
        assert line in done.stdout
    size = (
        "synthetic, 32 train and 32 val samples; epochs: 2, batches of an epoch: 2, batch size: 8"
    )
    for line in (
        f"run directory: {run_dir}",
        f"pretrain: {size}",
        f"finetune: {size}",
        "evaluate: synthetic, 32 samples of the split test",
        r"pretrain, epoch 1 of 2: step 1 of 4, loss [\d.]+, lr [\d.e-]+, \d+ images/s, "
        r"data wait \d+ %, elapsed 0:\d\d:\d\d, ETA 0:\d\d:\d\d",
        r"pretrain, epoch 2 of 2 done: step 4 of 4, loss [\d.]+, val_loss [\d.]+, ",
        r"finetune, epoch 2 of 2 done: step 4 of 4, loss [\d.]+, val_pa_epe_mm [\d.]+, ",
        "evaluate: batch 4 of 4, elapsed ",
    ):
        assert re.search(line, log), line
    assert not [word for word in NOISE if word in done.stdout + done.stderr]
    assert "━" not in done.stdout, "a bar"


@pytest.mark.slow
def test_on_a_terminal_bars_name_the_stage_and_the_log_has_the_lines(
    cache: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    ours, its = pty.openpty()
    # enough steps to be seen: bars move once a second
    long = ("trainer.caps.batches=20", "trainer.caps.samples=160", "pretrain.max_epochs=1")
    arguments = (*TINY, *long, EVERY_BATCH, f"paths.cache={cache}", f"hydra.run.dir={run_dir}")
    process = subprocess.Popen(
        [sys.executable, "train.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": python_path(ROOT), "TERM": "xterm", "COLUMNS": "150"},
        stdout=its,
        stderr=its,
    )
    os.close(its)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # as a terminal says that the other side is gone
        pass
    assert process.wait() == 0, shown.decode()
    text = shown.decode()
    assert "pretrain, epoch 1 of 1 " in text
    assert "whole run" in text
    assert "Epoch 0" not in text
    assert "Validation" not in text
    assert "epoch 1 of 1 done" in text
    assert "epoch 1 of 1: step" not in text  # the bar says that
    assert "epoch 1 of 1: step" in (run_dir / "train.log").read_text()
