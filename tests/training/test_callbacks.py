"""A step without a finite gradient changes nothing; several in a row end the run."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from handpose.training.callbacks import PATIENCE, NonFiniteGuard
from handpose.training.checkpoint import VerifiedCheckpointIO


class Item(NamedTuple):
    """x and y of a regression."""

    x: Tensor
    y: Tensor
    index: Tensor


class Labels(Dataset):
    """Twelve samples; the labels named are NaN."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.source = [SimpleNamespace(key=f"hand {index}") for index in range(12)]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Item:
        y = torch.nan if index in self.bad else float(index)
        return Item(torch.full((3,), 0.1 * index), torch.tensor(y), torch.tensor(index))


class Line(pl.LightningModule):
    """Keeps its weights and its optimizer's state after each step."""

    stage = "finetune"

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 1)
        self.kept: list[Any] = []

    def training_step(self, batch: Item, batch_idx: int) -> Tensor:
        return (self.layer(batch.x)[:, 0] - batch.y).square().mean()

    def on_train_batch_end(self, *args: Any) -> None:
        optimizer: Any = self.optimizers()
        self.kept.append(copy.deepcopy((self.layer.state_dict(), optimizer.state_dict()["state"])))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.1, weight_decay=0.1, fused=self.fused)


def _scaled(scale: float = 8) -> MixedPrecision:
    """16-mixed as on a GPU, where the loss is scaled."""
    return MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=scale))


def _train(
    bad: set[int],
    guard: NonFiniteGuard | None,
    *,
    fused: bool = False,
    precision: MixedPrecision | None = None,
) -> Line:
    line = Line(fused)
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[] if guard is None else [guard],
        plugins=precision,
    )
    trainer.fit(line, DataLoader(Labels(bad), batch_size=1))
    return line


def _values(kept: Any) -> Iterator[Tensor]:
    weights, state = kept
    yield from weights.values()
    for one in state.values():
        yield from one.values()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("precision", [lambda: None, _scaled], ids=["32-true", "16-mixed"])
def test_a_nan_label_is_one_step_left_out_exactly(
    caplog: pytest.LogCaptureFixture, fused: bool, precision: Callable[[], MixedPrecision | None]
) -> None:
    """A fused optimizer undoes the scale of the loss itself, in its step."""
    guard = NonFiniteGuard()
    kept = _train({4}, guard, fused=fused, precision=precision()).kept
    before, after = _values(kept[3]), _values(kept[4])
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(value.isfinite().all() for step in kept for value in _values(step))
    assert not torch.equal(kept[4][0]["weight"], kept[5][0]["weight"])
    assert guard.skipped == 1
    assert "hand 4" in caplog.text


@pytest.mark.parametrize("fused", [False, True])
def test_a_scale_that_is_too_large_is_no_fault_of_the_samples(
    caplog: pytest.LogCaptureFixture, fused: bool
) -> None:
    guard = NonFiniteGuard()
    kept = _train(set(), guard, fused=fused, precision=_scaled(2.0**19)).kept
    assert torch.equal(kept[0][0]["weight"], kept[1][0]["weight"])  # left out all the same
    assert not torch.equal(kept[-2][0]["weight"], kept[-1][0]["weight"])
    assert guard.skipped == 0
    assert not [line for line in caplog.messages if "hand" in line]


def test_without_the_guard_every_weight_is_lost() -> None:
    assert not any(value.isfinite().any() for value in _train({4}, None).kept[-1][0].values())


def test_as_many_as_it_bears_are_left_out_and_one_more_is_not() -> None:
    guard = NonFiniteGuard()
    _train({*range(PATIENCE - 1)} | {*range(PATIENCE, 2 * PATIENCE - 1)}, guard)
    assert guard.skipped == 2 * (PATIENCE - 1)
    with pytest.raises(ValueError, match=rf"{PATIENCE} steps in a row .* hand {PATIENCE}\. Fix"):
        _train({*range(1, PATIENCE + 1)}, NonFiniteGuard())


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    state = {"fine": torch.zeros(2), "layer.weight": torch.tensor([0.0, torch.inf])}
    with pytest.raises(ValueError, match=r"layer\.weight is not finite"):
        VerifiedCheckpointIO().save_checkpoint({"state_dict": state}, tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())
