"""Meters against a clock that the loader and the network move on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from handpose.loggers.csv_log import CsvLog
from handpose.training import step_meter
from handpose.training.cadence import Cadence
from handpose.training.meters import FLOPS, METERS, TIMED, in_step_names, in_words
from handpose.training.step_meter import WARM_UP, CudaClock, StepMeter
from handpose.training.step_window import Constants, Window

BATCH, LOAD, STEP, VALIDATION = 4, 3.0, 1.0, 500.0
SLOW = 50.0  # of the first steps


class FakeClock:
    """Time that others move on; counts how often two marks are compared."""

    def __init__(self) -> None:
        self.now, self.reads = 0.0, 0

    def mark(self) -> float:
        return self.now

    def seconds(self, first: float, last: float) -> float:
        self.reads += 1
        return last - first


class Item(NamedTuple):
    """A sample."""

    image: Tensor


class Slow(Dataset):
    """Takes `LOAD` seconds for each batch."""

    def __init__(self, clock: FakeClock, batches: int) -> None:
        self.clock, self.batches = clock, batches

    def __len__(self) -> int:
        return BATCH * self.batches

    def __getitem__(self, index: int) -> Item:
        self.clock.now += LOAD / BATCH
        return Item(torch.ones(3))


class Network(pl.LightningModule):
    """Takes `STEP` seconds for a step, and more for the first ones."""

    stage = "finetune"

    def __init__(self, clock: FakeClock, slow: int = 0) -> None:
        super().__init__()
        self.clock, self.slow = clock, slow
        self.layer = nn.Linear(3, 5, bias=False)

    def forward(self, batch: Item) -> Tensor:
        return self.layer(batch.image)

    def loss_of(self, batch: Item) -> Tensor:
        return self(batch).sum()

    def training_step(self, batch: Item, batch_idx: int) -> Tensor:
        self.clock.now += STEP
        if self.slow:
            self.slow -= 1
            self.clock.now += SLOW
        return self.loss_of(batch)

    def validation_step(self, batch: Item, batch_idx: int) -> None:
        self.clock.now += VALIDATION

    def predict_step(self, batch: Item, batch_idx: int) -> Tensor:
        self.clock.now += STEP
        return self(batch)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Rows(pl.Callback):
    """Notes the values and the clock's reads after each step."""

    def __init__(self, meter: StepMeter) -> None:
        self.window, self.clock = meter.window(), meter._clock
        self.values: list[dict[str, float]] = []
        self.reads: list[int] = []

    def on_train_batch_end(self, *args: Any) -> None:
        self.values.append(self.window.values(torch.device("cpu")))
        self.reads.append(self.clock.reads)
        self.window.reset()


def trainer_of(*callbacks: pl.Callback, folder: Path, **options: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        logger=CsvLog(folder / "metrics.csv"),
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **options,
    )


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., tuple[StepMeter, Rows]]:
    def train(
        *, batches: int = 15, epochs: int = 2, slow: int = 0, cadence: Cadence | None = None, **more
    ) -> tuple[StepMeter, Rows]:
        meter = StepMeter(cadence)
        meter._clock = clock = FakeClock()
        rows = Rows(meter)
        trainer = trainer_of(meter, rows, folder=tmp_path, max_epochs=epochs, **more)
        network, data = Network(clock, slow), Slow(clock, batches)
        trainer.fit(network, DataLoader(data, BATCH), DataLoader(data, BATCH))
        return meter, rows

    return train


def test_a_stage_has_its_rate_its_wait_and_its_steps(trained: Callable) -> None:
    """Without validation, and without the first steps."""
    meter, rows = trained(slow=WARM_UP)
    found = meter.results("finetune")
    seconds = LOAD + STEP
    assert found["finetune_images_per_second"] == pytest.approx(BATCH / seconds)
    assert found["finetune_data_wait_percent"] == pytest.approx(100 * LOAD / seconds)
    assert found["finetune_step_p50_ms"] == pytest.approx(1000 * seconds)
    assert found["finetune_step_p95_ms"] == pytest.approx(1000 * seconds)
    assert found["finetune_gflops_per_image"] == 2 * (2 * 3 * 5) / 1e9
    assert found["finetune_mfu_percent"] is None
    assert found["finetune_mfu_percent_reason"] == "the peak FLOP/s of a CPU are not known"
    assert 10 < found["finetune_host_memory_mib"] == found["finetune_memory_mib"]
    # A window of a first step alone shows it.
    assert rows.values[0]["step_p50_ms"] == pytest.approx(1000 * (seconds + SLOW))
    assert rows.values[-1]["step_p50_ms"] == pytest.approx(1000 * seconds)


def test_of_a_short_stage_the_second_half_counts(trained: Callable) -> None:
    meter, _ = trained(batches=2, epochs=1, slow=1)
    found = meter.results("finetune")
    assert found["finetune_step_p95_ms"] == pytest.approx(1000 * (LOAD + STEP))


def test_percentiles_are_those_of_the_steps() -> None:
    window = Window(Constants())
    for step in range(101):
        window.add(2, step / 10, 0.0, warms_up=False)
    found = window.values(torch.device("cpu"))
    assert found["step_p50_ms"] == pytest.approx(5000)
    assert found["step_p95_ms"] == pytest.approx(9500)
    window.reset()
    assert set(window.values(torch.device("cpu"))) == {"memory_mib", "host_memory_mib"}


def test_mfu_is_the_rate_of_flops_over_the_peak_of_all_devices(
    trained: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_meter, "peak_flops", lambda device, precision: (240.0, ""))
    meter, rows = trained()
    expected = 100 * 60 * (BATCH / (LOAD + STEP)) / 240
    assert meter.results("x")["x_mfu_percent"] == pytest.approx(expected)
    assert rows.values[-1]["mfu_percent"] == pytest.approx(expected)
    assert in_words(rows.values[-1]) == f"1 images/s, data wait 75 %, MFU {expected:.0f} %"


def test_in_an_evaluation_each_process_has_all_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_meter, "peak_flops", lambda device, precision: (240.0, ""))
    meter = StepMeter()
    meter._clock = clock = FakeClock()
    trainer = trainer_of(meter, folder=tmp_path)
    monkeypatch.setattr(type(trainer), "world_size", 3)
    trainer.predict(Network(clock), DataLoader(Slow(clock, 15), BATCH))
    expected = 100 * 30 * (BATCH / (LOAD + STEP)) / 240
    assert meter.results("evaluate")["evaluate_mfu_percent"] == pytest.approx(expected)


def test_a_network_without_flops_trains_all_the_same(
    trained: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(network: Network, batch: Item) -> Tensor:
        raise RuntimeError("two samples are too few")

    monkeypatch.setattr(Network, "loss_of", refuse)
    monkeypatch.setattr(Network, "training_step", lambda self, batch, i: self(batch).sum())
    found = trained()[0].results("x")
    reason = "FLOPs could not be counted: RuntimeError: two samples are too few"
    assert found["x_gflops_per_image_reason"] == found["x_mfu_percent_reason"] == reason


def test_without_a_step_all_is_null_with_a_reason() -> None:
    found = StepMeter().results("finetune")
    assert found["finetune_images_per_second"] is None
    assert found["finetune_images_per_second_reason"] == "no step was made"


def test_a_device_that_waits_is_read_where_due(
    trained: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_meter, "waits", lambda device: True)
    cadence = Cadence(5)
    cadence._every = 5
    meter, rows = trained(batches=15, epochs=1, cadence=cadence)
    assert np.flatnonzero(np.diff([0, *rows.reads])).tolist() == [
        0,
        4,
        9,
        14,
    ]  # counted from 0: the first and every fifth
    rate = BATCH / (LOAD + STEP)
    assert rows.values[9]["images_per_second"] == pytest.approx(rate)
    assert "images_per_second" not in rows.values[10]
    assert meter.results("x")["x_images_per_second"] == pytest.approx(rate)


def test_only_old_steps_are_read_if_none_is_due(
    trained: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_meter, "waits", lambda device: True)
    monkeypatch.setattr(step_meter, "_PENDING", 6)
    _, rows = trained(batches=15, epochs=1)
    reads = np.diff([0, *rows.reads]).tolist()  # two for each step
    assert reads == [0, 0, 0, 0, 0, 6, 0, 0, 6, 0, 0, 6, 0, 0, 6]


def test_an_evaluation_has_meters_too(tmp_path: Path) -> None:
    meter = StepMeter()
    meter._clock = clock = FakeClock()
    trainer = trainer_of(meter, folder=tmp_path)
    trainer.predict(Network(clock), DataLoader(Slow(clock, 8), BATCH))
    found = meter.results("evaluate")
    assert found["evaluate_images_per_second"] == pytest.approx(BATCH / (LOAD + STEP))
    assert found["evaluate_data_wait_percent"] == pytest.approx(100 * LOAD / (LOAD + STEP))
    assert found["evaluate_gflops_per_image"] == 2 * 3 * 5 / 1e9


def test_names_that_differ_between_equal_runs_are_known() -> None:
    names = [meter.name for meter in METERS]
    assert len({*names, FLOPS.name}) == len(names) + 1
    assert all(f"pretrain_{name}".endswith(TIMED) for name in names)
    assert all(f"pretrain/{meter.step_name}".endswith(TIMED) for meter in METERS)
    assert not f"pretrain_{FLOPS.name}".endswith(TIMED)
    assert not "pretrain/step_loss".endswith(TIMED)
    assert in_step_names({"step_p50_ms": 1.0, "memory_mib": 2.0}) == {
        "step_p50_ms": 1.0,
        "step_memory_mib": 2.0,
    }


@pytest.mark.gpu
def test_events_measure_the_gap_of_a_gpu_and_not_its_work() -> None:
    import time

    clock = CudaClock(torch.device("cuda"))
    matrix = torch.randn(8192, 8192, device="cuda")
    matrix @ matrix
    torch.cuda.synchronize()
    for _ in range(50):
        matrix @ matrix  # the GPU has work for longer than the program
    asked, got = clock.mark(), clock.mark()
    assert clock.seconds(asked, got) < 1e-3
    asked = clock.mark()
    time.sleep(0.05)
    assert 0.045 < clock.seconds(asked, clock.mark()) < 0.1
