"""What a stage tells while it is trained: lines now and then, values of its steps."""

import logging
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from handpose.loggers.csv_log import CsvLog, read_steps
from handpose.training.cadence import Cadence
from handpose.training.guard import NonFiniteGuard
from handpose.training.meters import METERS
from handpose.training.run_log import RunLog
from handpose.training.stage_log import StageLog
from handpose.training.step_curves import StepCurves
from handpose.training.step_meter import StepMeter

SAMPLES, BATCH, EPOCHS = 12, 2, 2


class Item(NamedTuple):
    """x and y of a regression."""

    image: Tensor
    y: Tensor
    index: Tensor


class Line(Dataset):
    """y = i at x = i / 10."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Item:
        return Item(torch.full((1,), 0.1 * index), torch.tensor(float(index)), torch.tensor(index))


class Regression(pl.LightningModule):
    """Keeps the loss of each batch, and weight and bias at each step's beginning."""

    stage = "finetune"

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.losses: list[float] = []

    def training_step(self, batch: Item, batch_idx: int) -> Tensor:
        loss = (self.layer(batch.image)[:, 0] - batch.y).square().mean()
        self.losses.append(float(loss.detach()))
        return loss

    def validation_step(self, batch: Item, batch_idx: int) -> None:
        self.log("finetune/val_error", batch.y.mean(), on_epoch=True)

    def on_validation_epoch_end(self) -> None:
        self.log("finetune/train_loss", torch.tensor(1.25))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(
    *callbacks: pl.Callback, folder: Path, accumulate: int = 1, max_epochs: int = EPOCHS
) -> Regression:
    model, loader = Regression(), DataLoader(Line(), batch_size=BATCH)
    trainer = pl.Trainer(
        max_epochs=max_epochs,
        accelerator="cpu",
        logger=CsvLog(folder / "metrics.csv"),
        accumulate_grad_batches=accumulate,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )
    trainer.fit(model, loader, loader)
    return model


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Our lines; Lightning has some too."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("handpose")]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    return {
        k.removeprefix("finetune/step_"): v for k, v in read_steps(folder / "metrics.csv").items()
    }


def test_values_of_each_nth_step_and_of_the_first(tmp_path: Path) -> None:
    guard = NonFiniteGuard()
    meter = StepMeter()
    model = train(
        meter,
        guard,
        StepCurves(Cadence(5), guard=guard, meter=meter),
        folder=tmp_path,
        max_epochs=20,
    )
    steps = [0, *range(4, 120, 5)]
    found = curves(tmp_path)
    assert set(found) == {
        *("loss", "learning_rate", "gradient_norm"),
        *(m.step_name.removeprefix("step_") for m in METERS if m.name != "mfu_percent"),
    }
    assert all([step for step, _ in points] == steps for points in found.values())
    assert [v for _, v in found["loss"]] == pytest.approx([model.losses[s] for s in steps])
    assert [v for _, v in found["learning_rate"]] == pytest.approx([0.01 / (s + 1) for s in steps])
    assert all(1 < value < 1e6 for _, value in found["memory_mib"])


def test_a_short_stage_has_every_step_and_norms_are_those_of_the_gradient(tmp_path: Path) -> None:
    """At 0 and with labels y, the gradient of the mean square is -2 mean(y x) and -2 mean(y)."""
    guard = NonFiniteGuard()
    meter = StepMeter()
    train(meter, guard, StepCurves(Cadence(50), guard=guard, meter=meter), folder=tmp_path)
    found = curves(tmp_path)
    assert [step for step, _ in found["loss"]] == list(range(12))
    x, y = torch.tensor([0.0, 0.1]), torch.tensor([0.0, 1.0])
    expected = 2 * torch.stack(((x * y).mean(), y.mean())).norm()
    assert found["gradient_norm"][0][1] == pytest.approx(float(expected))


def test_of_an_accumulated_step_the_mean_loss(tmp_path: Path) -> None:
    guard = NonFiniteGuard()
    meter = StepMeter()
    model = train(
        meter,
        guard,
        StepCurves(Cadence(50), guard=guard, meter=meter),
        folder=tmp_path,
        accumulate=3,
    )
    expected = [sum(model.losses[i : i + 3]) / 3 for i in range(0, 12, 3)]
    assert [v for _, v in curves(tmp_path)["loss"]] == pytest.approx(expected)


def test_lines_say_stage_epoch_step_numbers_and_times(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    work = {"finetune": EPOCHS * SAMPLES * (3.0 + 1)}
    log = RunLog(work, every_seconds=1e-9)  # a line for each batch
    with caplog.at_level(logging.INFO, logger="handpose"):
        meter = StepMeter()
        shown = StageLog(log, "finetune", metric="finetune/val_error", meter=meter)
        model = train(meter, shown, folder=tmp_path)
    assert re.fullmatch(
        rf"finetune, epoch 1 of 2: step 1 of 12, loss {model.losses[0]:.4g}, lr 0.01, "
        r"\d+ images/s, data wait \d+ %, elapsed 0:00:0\d, ETA \?",
        told(caplog)[0],
    )
    assert re.fullmatch(
        r"finetune, epoch 1 of 2 done: step 6 of 12, loss 1.25, val_error 5.5, lr 0.00167, "
        r"\d+ images/s, data wait \d+ %, elapsed 0:00:0\d, ETA 0:00:0\d",
        told(caplog)[12],
    )
    assert told(caplog)[6].startswith("finetune, epoch 1 of 2, validation: batch 1 of 6, ")
    assert "epoch 2 of 2 done" in told(caplog)[-1]
    assert log.estimate.done == pytest.approx(1)


def test_in_an_epoch_shorter_than_that_there_is_only_its_own_line(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with caplog.at_level(logging.INFO, logger="handpose"):
        train(StageLog(RunLog({}, every_seconds=1000), "finetune"), folder=tmp_path)
    assert [" done: " in message for message in told(caplog)] == [True, True]


def test_the_loss_is_not_read_at_each_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reading it waits for the device."""
    reads = []
    monkeypatch.setattr(StageLog, "_numbers", lambda *args: reads.append(1) or "")
    train(StageLog(RunLog({}, every_seconds=1000), "finetune"), folder=tmp_path)
    assert reads == []
