"""Gradients are clipped by their true norm: accumulated, and without the scale of the loss."""

from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from handpose.training.cadence import Cadence
from handpose.training.guard import NonFiniteGuard
from handpose.training.precision import UnscaledPrecision

LARGEST = 0.5
RATE = 0.125


class Slope(pl.LightningModule):
    """The gradient of each batch is the batch."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.weight = nn.Parameter(torch.zeros(3))
        self.kept: list[Tensor] = []

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return (self.weight * batch["x"].x).sum()

    def on_train_batch_end(self, *args: Any) -> None:
        self.kept.append(self.weight.detach().clone())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.fused:
            return torch.optim.AdamW(
                self.parameters(), lr=RATE, eps=1e3, weight_decay=0, fused=True
            )
        return torch.optim.SGD(self.parameters(), lr=RATE)


class Item:
    """A batch with its samples' places."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.index = x, torch.zeros(1, dtype=torch.int64)


class Batches(list):
    """Batches of one sample."""

    source = (SimpleNamespace(key="hand 0"),)


def scaled() -> UnscaledPrecision:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    return UnscaledPrecision("16-mixed", "cpu", scaler)


PLUGINS = {
    "32-true": lambda: None,
    "bf16-mixed": lambda: UnscaledPrecision("bf16-mixed", "cpu"),
    "16-mixed": scaled,
}


def train(
    gradients: list[Tensor],
    precision: str,
    *,
    fused: bool = False,
    defers: bool = False,
    **options: Any,
) -> tuple[Slope, NonFiniteGuard]:
    slope, guard = Slope(fused), NonFiniteGuard(Cadence(50), defers=defers)
    plugin = PLUGINS[precision]()
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[guard],
        plugins=[plugin] if plugin else None,
        **options,
    )
    batches = Batches({"x": Item(x)} for x in gradients)
    trainer.fit(slope, DataLoader(batches, batch_size=None))
    return slope, guard


X = torch.tensor([3.0, 0.0, 4.0])  # of norm 5


@pytest.mark.parametrize("precision", PLUGINS)
def test_a_long_gradient_is_shortened_and_a_short_one_is_not(precision: str) -> None:
    slope, guard = train([X, X / 50], precision, gradient_clip_val=LARGEST)
    first, second = slope.kept
    torch.testing.assert_close(first, -RATE * LARGEST * X / 5, rtol=1e-3, atol=0)
    torch.testing.assert_close(second - first, -RATE * X / 50, rtol=1e-2, atol=0)
    assert float(guard.norm) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("precision", PLUGINS)
def test_the_norm_that_is_logged_is_that_before_clipping(precision: str) -> None:
    assert float(train([X], precision, gradient_clip_val=LARGEST)[1].norm) == pytest.approx(5)


@pytest.mark.parametrize("precision", PLUGINS)
def test_of_accumulated_batches_the_mean_gradient_is_clipped_once(precision: str) -> None:
    batches = [X, -X, X, X]
    slope, guard = train(batches, precision, gradient_clip_val=LARGEST, accumulate_grad_batches=4)
    assert float(guard.norm) == pytest.approx(2.5)
    torch.testing.assert_close(slope.kept[-1], -RATE * LARGEST * X / 5, rtol=1e-3, atol=0)
    slope, _ = train(batches, precision, gradient_clip_val=3.0, accumulate_grad_batches=4)
    torch.testing.assert_close(slope.kept[-1], -RATE * X / 2, rtol=1e-3, atol=0)


@pytest.mark.parametrize("defers", [False, True])
@pytest.mark.parametrize("precision", PLUGINS)
def test_a_fused_optimizer_is_clipped_too(precision: str, defers: bool) -> None:
    """With a large eps, the first step of AdamW is lr g / (|g| + eps), so about lr g / eps."""
    slope, guard = train([X], precision, fused=True, defers=defers, gradient_clip_val=LARGEST)
    expected = -RATE * LARGEST * X / 5 / 1e3
    torch.testing.assert_close(slope.kept[0], expected, rtol=2e-3, atol=1e-9)
    assert float(guard.norm) == pytest.approx(5)


@pytest.mark.parametrize("defers", [False, True])
@pytest.mark.parametrize("precision", PLUGINS)
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_a_step_without_a_finite_gradient_is_skipped_with_clipping(
    precision: str, defers: bool, wrong: float
) -> None:
    options = dict(fused=True, defers=defers, gradient_clip_val=LARGEST)
    slope, guard = train([X, X * wrong, X], precision, **options)
    assert torch.equal(slope.kept[0], slope.kept[1])
    assert slope.kept[2].isfinite().all()
    assert not torch.equal(slope.kept[1], slope.kept[2])
    assert guard.skipped == 1


def test_without_clipping_nothing_is_shortened() -> None:
    slope, _ = train([X], "32-true")
    torch.testing.assert_close(slope.kept[0], -RATE * X)
