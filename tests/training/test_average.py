"""Averaged weights of fine-tuning: after each step, never after a skipped one, and validated."""

from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hands import CONTRACT, labelled
from tiny_backbone import TinyBackbone
from torch import Tensor
from torch.utils.data import DataLoader

from handpose.heads.regression import RegressionHead
from handpose.model import PoseModel
from handpose.objectives.moving_average import decay_at
from handpose.records import Target
from handpose.training.finetuner import Finetuner
from handpose.training.flops import trained_flops
from handpose.training.guard import NonFiniteGuard

DECAY = 0.2
State = dict[str, Tensor]


class Batches(list):
    """Batches in memory."""

    source = tuple(SimpleNamespace(key=f"hand {index}") for index in range(8))


def batch(seed: int, *, bad: bool = False) -> Target:
    target = labelled(4, seed=seed)
    noise = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, target.image.shape, generator=noise, dtype=torch.uint8)
    return target._replace(image=image, uvz=target.uvz * (torch.nan if bad else 1.0))


@pytest.fixture
def make() -> Callable[..., Finetuner]:
    """make(freeze_backbone=False, decay=DECAY) -> a module from the same weights each time."""

    def finetuner(*, freeze_backbone: bool = False, decay: float | None = DECAY) -> Finetuner:
        torch.manual_seed(0)
        backbone = TinyBackbone()
        head = RegressionHead(hidden_dim=8, **{**CONTRACT, **backbone.widths})
        stage = Finetuner(
            model=PoseModel(backbone=backbone, head=head, freeze_backbone=freeze_backbone),
            optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1),
            warmup_epochs=0,
        )
        if decay is not None:
            stage.start_average(decay)
        return stage

    return finetuner


def fit(stage: Finetuner, bad: set[int], **options: Any) -> list[State]:
    """The state after each of four batches."""
    states: list[State] = []

    class Keep(pl.Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            states.append(deepcopy(stage.state_dict()))

    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[NonFiniteGuard(), Keep()],
        **options,
    )
    batches = Batches(batch(step, bad=step in bad) for step in range(4))
    held_out = DataLoader(Batches([batch(9)]), batch_size=None)
    trainer.fit(stage, DataLoader(batches, batch_size=None), held_out)
    return states


def part(state: State, prefix: str) -> State:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_follows_the_model_once_per_optimizer_step(make: Callable, accumulate: int) -> None:
    """Weights and running statistics; the slow, obvious version."""
    stage = make()
    average = part(deepcopy(stage.state_dict()), "average.network.")
    assert all(torch.equal(value, stage.model.state_dict()[n]) for n, value in average.items())
    states = fit(stage, set(), accumulate_grad_batches=accumulate)
    for step in range(4 // accumulate):
        decay = decay_at(step, limit=DECAY)
        after = states[(step + 1) * accumulate - 1]
        for name, new in part(after, "model.").items():
            if new.is_floating_point():
                average[name] = decay * average[name] + (1 - decay) * new
                torch.testing.assert_close(after[f"average.network.{name}"], average[name])
    model = part(states[-1], "model.")
    for name in ("head.mlp.0.weight", "backbone.network.0.1.running_mean"):
        assert not torch.equal(model[name], average[name])


def test_a_skipped_step_leaves_it_as_it_is(make: Callable) -> None:
    states = fit(make(), {1})
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    moved = [name for name in states[0] if not torch.equal(states[1][name], states[2][name])]
    assert any(name.startswith("average.network") for name in moved)
    assert all(value.isfinite().all() for value in states[-1].values())


def test_a_frozen_backbone_is_averaged_to_its_own_bits(make: Callable) -> None:
    stage = make(freeze_backbone=True)
    before = deepcopy(stage.model.backbone.state_dict())
    states = fit(stage, set())
    for prefix in ("model.backbone.", "average.network.backbone."):
        after = part(states[-1], prefix)
        assert all(torch.equal(after[name], value) for name, value in before.items())
    heads = [part(states[-1], f"{p}head.") for p in ("model.", "average.network.")]
    assert not torch.equal(heads[0]["mlp.0.weight"], heads[1]["mlp.0.weight"])


def test_training_is_the_same_with_and_without_it(make: Callable) -> None:
    plain, averaged = (fit(make(decay=decay), set())[-1] for decay in (None, DECAY))
    assert set(plain) < set(averaged)
    assert all(torch.equal(value, averaged[name]) for name, value in plain.items())


def test_the_flops_of_a_step_are_those_without_it(make: Callable) -> None:
    plain, averaged = (trained_flops(make(decay=decay), batch(0)) for decay in (None, DECAY))
    assert plain == averaged > 0


def test_validation_is_of_the_average_and_the_model_becomes_it(make: Callable) -> None:
    stage = make(decay=0.999)
    fit(stage, set())
    stage.eval()
    network, held_out = stage.average.network, batch(9)
    with torch.no_grad():
        expected = stage.model.head.loss(network(held_out.image, held_out.K), held_out)
        own = stage.model.head.loss(stage.model(held_out.image, held_out.K), held_out)
    measured = stage.trainer.callback_metrics["finetune/val_loss"]
    torch.testing.assert_close(measured, expected["loss"])
    assert not torch.allclose(measured, own["loss"])
    stage.adopt_average()
    assert stage.average is None
    with torch.no_grad():
        assert torch.equal(stage(held_out).uvz, network(held_out.image, held_out.K).uvz)
    assert set(stage.state_dict()) == set(make(decay=None).state_dict())


def test_its_decay_rises_to_the_limit() -> None:
    """An average of the last tenth of a short run; the start is forgotten."""
    assert decay_at(0, limit=0.999) == 0.1
    assert decay_at(8990, limit=0.999) == pytest.approx(0.999)
    assert decay_at(10**6, limit=0.999) == 0.999
    assert decay_at(0, limit=0.05) == 0.05
    start = 1.0
    for step in range(500):
        start *= decay_at(step, limit=0.999)
    assert start < 1e-9 < 0.999**500
