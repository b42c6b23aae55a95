"""`python train.py` on files that would run code: refused, and told in words."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from attacks import evil_checkpoint


@pytest.mark.slow
def test_the_program_refuses_without_a_traceback(
    train_process: Callable[..., subprocess.CompletedProcess], tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    tiny = ("trainer=debug", "dataset.image_size=32", "report=false")
    evil_checkpoint(tmp_path / "backbone.pt", canary)
    run_dir = tmp_path / "run"
    weights = f"backbone.weights={tmp_path / 'backbone.pt'}"
    refused = train_process(*tiny, weights, f"hydra.run.dir={run_dir}")
    assert refused.returncode == 1
    assert "None was run" in refused.stderr
    assert "Traceback" not in refused.stderr + refused.stdout
    last = tmp_path / "resumed" / "checkpoints" / "pretrain" / "last.ckpt"
    last.parent.mkdir(parents=True)
    evil_checkpoint(last, canary)
    refused = train_process(*tiny, f"hydra.run.dir={tmp_path / 'resumed'}")
    assert refused.returncode == 1
    assert str(last) in refused.stderr
    assert "Traceback" not in refused.stderr + refused.stdout
    assert not canary.exists()
