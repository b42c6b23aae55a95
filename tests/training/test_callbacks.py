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

from handpose.training.cadence import Cadence
from handpose.training.checkpoint import VerifiedCheckpointIO
from handpose.training.guard import PATIENCE, NonFiniteGuard
from handpose.training.snapshot import Snapshot


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
    mean: Tensor
    count: Tensor

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 1)
        self.register_buffer("mean", torch.zeros(()))  # as BatchNorm has them
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.kept: list[Any] = []

    def training_step(self, batch: Item, batch_idx: int) -> Tensor:
        loss = (self.layer(batch.x)[:, 0] - batch.y).square().mean()
        self.mean.lerp_(loss.detach(), 0.1)
        self.count += 1
        return loss

    def on_train_batch_end(self, *args: Any) -> None:
        optimizer: Any = self.optimizers()
        self.kept.append(copy.deepcopy((self.state_dict(), optimizer.state_dict()["state"])))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.1, weight_decay=0.1, fused=self.fused)


def _scaled(scale: float = 8) -> MixedPrecision:
    """16-mixed as on a GPU, where the loss is scaled."""
    return MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=scale))


def _train(
    bad: set[int],
    guard: NonFiniteGuard | None,
    *callbacks: pl.Callback,
    fused: bool = False,
    precision: MixedPrecision | None = None,
    batches_of_a_step: int = 1,
) -> Line:
    line = Line(fused)
    trainer = pl.Trainer(
        accumulate_grad_batches=batches_of_a_step,
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[*([] if guard is None else [guard]), *callbacks],
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
    assert not torch.equal(kept[4][0]["layer.weight"], kept[5][0]["layer.weight"])
    assert guard.skipped == 1
    assert "hand 4" in caplog.text


@pytest.mark.parametrize("fused", [False, True])
def test_a_scale_that_is_too_large_is_no_fault_of_the_samples(
    caplog: pytest.LogCaptureFixture, fused: bool
) -> None:
    guard = NonFiniteGuard()
    kept = _train(set(), guard, fused=fused, precision=_scaled(2.0**19)).kept
    assert torch.equal(
        kept[0][0]["layer.weight"], kept[1][0]["layer.weight"]
    )  # left out all the same
    assert not torch.equal(kept[-2][0]["layer.weight"], kept[-1][0]["layer.weight"])
    assert guard.skipped == 0
    assert not [line for line in caplog.messages if "hand" in line]


def test_without_the_guard_every_weight_is_lost() -> None:
    last = _train({4}, None).kept[-1][0]
    assert not any(last[name].isfinite().any() for name in ("layer.weight", "layer.bias", "mean"))


def test_as_many_as_it_bears_are_left_out_and_one_more_is_not() -> None:
    guard = NonFiniteGuard()
    _train({*range(PATIENCE - 1)} | {*range(PATIENCE, 2 * PATIENCE - 1)}, guard)
    assert guard.skipped == 2 * (PATIENCE - 1)
    with pytest.raises(ValueError, match=rf"{PATIENCE} steps in a row .* hand {PATIENCE}\. Fix"):
        _train({*range(1, PATIENCE + 1)}, NonFiniteGuard())


@pytest.mark.parametrize("precision", [lambda: None, _scaled], ids=["32-true", "16-mixed"])
@pytest.mark.parametrize("bad", [set(), {0}, {4}, {0, 1, 5, 6, 7, 11}])
def test_counted_later_the_weights_are_those_of_counted_at_once_bit_for_bit(
    bad: set[int], precision: Callable[[], MixedPrecision | None]
) -> None:
    """As on a GPU, where the optimizer skips a step without a value being read."""
    guards = [NonFiniteGuard(), NonFiniteGuard(Cadence(5), defers=True)]
    lines = [_train(bad, guard, fused=True, precision=precision()) for guard in guards]
    assert [guard.skipped for guard in guards] == [len(bad), len(bad)]
    for now, later in zip(*(line.kept for line in lines), strict=True):
        assert all(torch.equal(now[0][name], later[0][name]) for name in now[0])
        for parameter in now[1]:  # without a step there is no state yet, or a state of zeros
            for name, value in now[1][parameter].items():
                assert torch.equal(value, later[1][parameter][name]), name


def _by_hand(bad: set[int], batches_of_a_step: int) -> dict[str, Tensor]:
    """Train as `_train` does, in the plainest way: copy all, look at each gradient, put back."""
    line, data = Line(fused=True), Labels(bad)
    optimizer = line.configure_optimizers()
    for start in range(0, len(data), batches_of_a_step):
        before = copy.deepcopy((line.state_dict(), optimizer.state_dict()))
        optimizer.zero_grad()
        for index in range(start, min(start + batches_of_a_step, len(data))):
            item = Item(*(column[None] for column in data[index]))
            (line.training_step(item, index) / batches_of_a_step).backward()
        optimizer.step()
        if not all(parameter.grad.isfinite().all() for parameter in line.parameters()):
            line.load_state_dict(before[0])
            optimizer.load_state_dict(before[1])
    return line.state_dict()


@pytest.mark.parametrize("is_scaled", [False, True])
@pytest.mark.parametrize("defers", [False, True])
@pytest.mark.parametrize("bad", [{4}, {5}, {0, 1}, {2, 5, 11}])
@pytest.mark.parametrize("batches", [2, 5])
def test_of_accumulated_batches_the_whole_step_is_left_out(
    batches: int, bad: set[int], defers: bool, is_scaled: bool
) -> None:
    """Also the last step of an epoch, which may have fewer batches, and the buffers of each."""
    guard = NonFiniteGuard(Cadence(3), defers=defers)
    precision = _scaled() if is_scaled else None
    line = _train(bad, guard, fused=True, precision=precision, batches_of_a_step=batches)
    assert guard.skipped == len({index // batches for index in bad})
    found, expected = line.state_dict(), _by_hand(bad, batches)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        if is_scaled:  # in 16 bits
            torch.testing.assert_close(value, expected[name], rtol=0.05, atol=0.02)
        else:
            assert torch.equal(value, expected[name]), name
    assert int(line.count) == int(expected["count"])


def test_counted_later_too_many_stop_the_run_and_name_the_last(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = NonFiniteGuard(Cadence(50), defers=True)
    guard.cadence._every = 4
    with pytest.raises(ValueError, match=rf"{PATIENCE} steps in a row.*step 5 with hand 5\."):
        _train({*range(1, PATIENCE + 1)}, guard, fused=True)
    assert guard.skipped == PATIENCE
    assert [f"hand {n}" in caplog.text for n in range(7)] == [False, *[True] * 5, False]


def test_a_checkpoint_counts_what_was_not_read_yet() -> None:
    class Save(pl.Callback):
        saved: Any = None

        def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
            if trainer.global_step == 7:
                self.saved = guard.state_dict()

    guard, save = NonFiniteGuard(Cadence(50), defers=True), Save()
    guard.cadence._every = 100
    _train({2, 5, 6, 9}, guard, save, fused=True)
    assert save.saved == {"skipped": 3, "in_a_row": 2}
    resumed = NonFiniteGuard()
    resumed.load_state_dict(save.saved)
    assert (resumed.skipped, resumed._in_a_row) == (3, 2)
    resumed.load_state_dict({"skipped": 3})  # of an older checkpoint
    assert resumed._in_a_row == 0


def test_an_optimizer_that_cannot_skip_is_counted_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    guard = NonFiniteGuard(Cadence(50), defers=True)
    kept = _train({4}, guard, fused=False).kept
    assert all(torch.equal(a, b) for a, b in zip(_values(kept[3]), _values(kept[4]), strict=True))
    assert caplog.text.count("AdamW cannot skip a step") == 1
    assert not guard._pending


def test_a_snapshot_restores_over_nan_and_leaves_the_rest() -> None:
    tensors = [torch.rand(3, 2), torch.tensor(7), torch.rand(()), torch.rand(4, 5).T]
    before = [tensor.clone() for tensor in tensors]
    snapshot = Snapshot(tensors)
    snapshot.take()
    for tensor in tensors:
        tensor.fill_(torch.nan if tensor.is_floating_point() else 9)
    snapshot.restore(where=torch.tensor(False))
    assert tensors[0].isnan().all()
    assert tensors[1] == 9
    snapshot.restore(where=torch.tensor(True))
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    state = {"fine": torch.zeros(2), "layer.weight": torch.tensor([0.0, torch.inf])}
    with pytest.raises(ValueError, match=r"layer\.weight is not finite"):
        VerifiedCheckpointIO().save_checkpoint({"state_dict": state}, tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())
