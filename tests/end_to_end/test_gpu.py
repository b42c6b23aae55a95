"""What only a GPU can show of a run: it does what the CPU does, waits for nothing, and resumes."""

import csv
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from handpose.loggers.csv_log import STEP, read_steps
from handpose.training.module import Stage

pytestmark = pytest.mark.gpu
Train = Callable[..., Path]

ON_GPU = ("trainer.accelerator=gpu", "objective=contrastive", "head=heatmap")
INPUTS = {
    "workers": ("dataset.packed=true", "trainer.augment_on=workers", "trainer.resident=false"),
    "device": ("dataset.packed=true", "trainer.augment_on=device", "trainer.resident=false"),
    "resident": ("dataset.packed=true", "trainer.augment_on=device", "trainer.resident=true"),
}
# One step in three is logged of a stage of so many.
STEPS = 60


def losses(run_dir: Path, stage: str = "pretrain") -> list[float]:
    """The losses of the logged steps."""
    return [loss for _, loss in read_steps(run_dir / "metrics.csv")[f"{stage}/{STEP}loss"]]


@pytest.mark.parametrize("objective", ["contrastive", "equivariant", "hybrid", "relative"])
def test_the_first_losses_are_those_of_the_cpu(train: Train, objective: str) -> None:
    settings = ("head=regression", "trainer.precision=32-true", f"objective={objective}")
    cpu = train(*settings, name="cpu")
    gpu = train(*settings, "trainer.accelerator=gpu", name="gpu")
    for stage in ("pretrain", "finetune"):
        assert losses(gpu, stage) == pytest.approx(losses(cpu, stage), rel=0.02)


@pytest.mark.parametrize("name", ["device", "resident"])
def test_each_input_gives_about_the_losses_of_the_workers(train: Train, name: str) -> None:
    """Views on the device differ by at most a grey level or two."""
    settings = (*ON_GPU, "trainer.precision=32-true")
    workers = train(*settings, *INPUTS["workers"], name="workers")
    other = train(*settings, *INPUTS[name], name=name)
    for stage in ("pretrain", "finetune"):
        assert losses(other, stage) == pytest.approx(losses(workers, stage), rel=0.02)


@pytest.mark.parametrize("name", INPUTS)
def test_no_step_waits_for_the_device_but_the_logged_ones(
    train: Train, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """From the third step on, in which everything is allocated."""
    checked = []

    def begin(stage: Stage, batch: Any, batch_idx: int) -> None:
        is_logged = (batch_idx + 1) % 3 == 0 or batch_idx < 2 or batch_idx > STEPS - 3
        checked.extend([] if is_logged else [batch_idx])
        torch.cuda.set_sync_debug_mode("default" if is_logged else "error")

    monkeypatch.setattr(Stage, "on_train_batch_start", begin)
    lengths = (f"trainer.caps.batches={STEPS}", f"trainer.caps.samples={8 * STEPS}")
    try:
        train(*ON_GPU, *INPUTS[name], *lengths, "trainer.num_workers=2")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(checked) >= STEPS  # of both stages


def test_compiled_losses_are_those_of_the_eager_run(train: Train) -> None:
    settings = (*ON_GPU, "trainer.caps.batches=4", "trainer.caps.samples=64")
    runs = [train(*settings, f"trainer.compile={way}", name=way) for way in ("false", "true")]
    for stage in ("pretrain", "finetune"):
        eager, compiled = (losses(run, stage) for run in runs)
        assert compiled == pytest.approx(eager, rel=0.05)


def test_bf16_is_chosen_where_the_gpu_has_it(train: Train) -> None:
    run_dir = train(*ON_GPU, "trainer.precision=auto")
    expected = "bf16-mixed" if torch.cuda.is_bf16_supported(False) else "16-mixed"
    assert f"precision {expected}" in (run_dir / "train.log").read_text()
    with (run_dir / "metrics.csv").open(newline="") as file:
        assert all(float(row["value"]) == float(row["value"]) for row in csv.DictReader(file))


@pytest.mark.parametrize("name", ["workers", "resident"])  # gpu_check.sh does it with `device`
def test_a_run_that_is_killed_and_resumed_ends_in_the_same_bits(
    bench: object, tmp_path: Path, name: str
) -> None:
    """Under trainer.deterministic=true, in the precision of trainer=gpu."""
    bench_train = importlib.import_module("bench_train")
    images = bench_train.write_files(tmp_path, 64)
    task = bench_train.Task("resnet18", 64, 8, 4, 2, "cuda", images, tmp_path)
    found = bench_train.check_resume(task, *INPUTS[name])
    assert found["killed_at"] < found["steps"]
    assert found["different"] == []
