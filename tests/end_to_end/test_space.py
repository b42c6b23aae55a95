"""Disks that are too small, and how much a run really takes."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 30 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system takes more rights than these")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_run_on_a_full_disk_ends_before_it_begins(
    train_process: Callable[..., subprocess.CompletedProcess], small_disk: Path
) -> None:
    run_dir = small_disk / "run"
    tiny = ("trainer=debug", "dataset.image_size=32", "report=false")
    done = train_process(*tiny, f"hydra.run.dir={run_dir}")
    assert done.returncode == 1
    assert re.search(rf"{run_dir}: the disk has [\d,]+ bytes free, .* need [\d,]+", done.stderr)
    assert "Traceback" not in done.stderr
    assert not list(run_dir.rglob("*.ckpt"))
    assert not (run_dir / "metrics.csv").exists()


@pytest.mark.slow
def test_the_estimate_is_of_the_right_size(train: Callable[..., Path]) -> None:
    run_dir = train("head=regression", "trainer.keep_checkpoints=true", "backbone=resnet18")
    written = sum(p.stat().st_size for p in run_dir.rglob("*") if p.suffix in (".ckpt", ".pt"))
    model = torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]
    asked = (5 * 3 + 2) * 4 * sum(value.numel() for value in model.values())
    assert 0.5 * asked < written < asked
