"""A short soak: a run that is killed a few times ends with the same bits as an undisturbed one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from network_guard import python_path

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("trainer=debug", "dataset.image_size=32", "trainer.caps.batches=4")
LENGTH = ("trainer.caps.max_epochs=2", "pretrain.max_epochs=2", "finetune.max_epochs=2")
SAVING = ("trainer.keep_checkpoints=true", "trainer.checkpoint_every_n_steps=1")


@pytest.mark.slow
@pytest.mark.parametrize("augment_on", ["workers", "device"])
def test_a_run_comes_through_its_kills(cache: Path, tmp_path: Path, augment_on: str) -> None:
    """The intervals are too short for a start-up at first, and then grow."""
    out = tmp_path / "soak"
    short = ("--every", "3", "5", "--out", str(out), "--seed", "2")
    settings = (*SMALL, *LENGTH, *SAVING, f"paths.cache={cache}", "trainer.num_workers=1")
    settings = (*settings, f"trainer.augment_on={augment_on}")
    done = subprocess.run(
        [sys.executable, "tests/soak/soak.py", *short, *settings],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": python_path(ROOT)},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "the same bits" in done.stdout
    found = json.loads((out / "soak.json").read_text())
    assert found["steps"] == 16
    assert found["steps_of_the_killed"] >= 16
    assert len(found["kills"]) >= 2
    assert (found["differences"], found["wrong_codes"]) == ([], [])
    assert len(list((out / "killed" / "checkpoints").glob("*/.*"))) <= 2  # no pile of partial ones
