"""The teacher moves once per optimizer step, never in a skipped one, and is no part of others."""

from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from tiny_backbone import TinyBackbone
from torch import Tensor, nn
from torch.utils.data import DataLoader

from handpose.backbones.base import Backbone
from handpose.objectives.base import Objective, Teacher
from handpose.objectives.hybrid import Hybrid
from handpose.objectives.moving_average import momentum_at
from handpose.records import Features, Views
from handpose.training.guard import NonFiniteGuard
from handpose.training.pretrainer import Pretrainer

START = 0.9
BAD = -1  # `index` of a batch whose loss is not finite


class Taught(Objective):
    """Embeddings near the teacher's of the other view."""

    uses_teacher = True
    teacher_momentum = START

    def __init__(self, **contract: Any) -> None:
        super().__init__(**contract)
        self.scale = nn.Parameter(torch.ones(()))
        self.momenta: list[float] = []

    def update_teacher(self, momentum: Tensor) -> None:
        self.momenta.append(float(momentum))

    def forward(
        self,
        features: Features,
        embedding: Tensor,
        views: Views,
        teacher: Teacher | None = None,
    ) -> dict[str, Tensor]:
        assert teacher is not None
        assert not teacher.embedding.requires_grad
        error = (self.scale * embedding - teacher.embedding.flip(1)).square().mean() + 1
        return {"loss": error * torch.where((views.index == BAD).any(), torch.nan, 1.0)}


class Alone(Objective):
    """Encodes its own views: their mirror images."""

    encodes_views = True

    def encode(self, backbone: Backbone, image: Tensor) -> tuple[Features, Tensor]:
        return backbone.encode(image.flip(-1))

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        return {"loss": embedding.square().mean()}


class Batches(list):
    """Batches in memory."""

    source = (SimpleNamespace(key="hand 0"),)


@pytest.fixture
def make(make_settings: Callable) -> Callable[..., Pretrainer]:
    """make(*objectives, **options) -> a module from the same weights each time."""

    def pretrainer(*kinds: type[Objective], **options: Any) -> Pretrainer:
        torch.manual_seed(0)
        backbone = TinyBackbone()
        common = dict(image_size=32, augmentation=make_settings(), **backbone.widths)
        parts = {kind.__name__.lower(): kind(**common) for kind in kinds}
        return Pretrainer(
            backbone=backbone,
            objective=Hybrid(parts=parts, weights=dict.fromkeys(parts, 1.0)),
            **{"optimizer": lambda groups: torch.optim.SGD(groups, lr=0.1)} | options,
            warmup_epochs=0,
        )

    return pretrainer


def fit(
    model: Pretrainer, batches: list[Any], *, defers: bool | None = None, **options: Any
) -> list[dict[str, Tensor]]:
    """Returns the state after each batch; `defers` as for `NonFiniteGuard`."""
    states: list[dict[str, Tensor]] = []

    class Keep(pl.Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            states.append(deepcopy(model.state_dict()))

    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[NonFiniteGuard(defers=defers), Keep()],
        **options,
    )
    trainer.fit(model, DataLoader(Batches(batches), batch_size=None))
    return states


def batches_of(views: Views, bad: set[int], count: int = 4) -> list[dict[str, Views]]:
    wrong = views._replace(index=torch.full_like(views.index, BAD))
    right = views._replace(index=torch.zeros_like(views.index))
    return [{"taught": wrong if step in bad else right} for step in range(count)]


def parts_of(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_follows_the_student_once_per_optimizer_step(
    make: Callable, make_settings: Callable, views_of: Callable, accumulate: int
) -> None:
    model = make(Taught)
    state = deepcopy(model.state_dict())
    teacher = parts_of(state, "teachers.taught.network.")
    assert set(teacher) == set(parts_of(state, "backbone."))
    views = views_of(make_settings("rotate"), 4)
    states = fit(model, batches_of(views, set()), accumulate_grad_batches=accumulate)
    steps = 4 // accumulate
    momenta = [momentum_at(step, start=START, total_steps=steps) for step in range(steps)]
    assert model.objective.objectives["taught"].momenta == pytest.approx(momenta)  # type: ignore[attr-defined]
    for step, momentum in enumerate(momenta):
        after = states[(step + 1) * accumulate - 1]
        for name, new in parts_of(after, "backbone.").items():
            if "running" not in name and "num_batches" not in name:
                teacher[name] = momentum * teacher[name] + (1 - momentum) * new
                found = after[f"teachers.taught.network.{name}"]
                torch.testing.assert_close(found, teacher[name])
    name = "network.0.0.weight"
    assert not torch.equal(parts_of(states[-1], "backbone.")[name], teacher[name])


@pytest.mark.parametrize("defers", [False, True])
def test_a_skipped_step_leaves_it_as_it_is(
    make: Callable, make_settings: Callable, views_of: Callable, defers: bool
) -> None:
    """Also where nothing waits to know whether a step was skipped, as on a GPU."""
    options = {"optimizer": lambda groups: torch.optim.AdamW(groups, lr=0.1, fused=True)}
    model = make(Taught, **(options if defers else {}))
    views = views_of(make_settings("rotate"), 4)
    states = fit(model, batches_of(views, {1}), defers=defers)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    moved = [name for name in states[0] if not torch.equal(states[1][name], states[2][name])]
    assert any(name.startswith("teachers.taught.network") for name in moved)
    momenta = model.objective.objectives["taught"].momenta  # type: ignore[attr-defined]
    assert momenta[1] == 1
    assert max(momenta[0], momenta[2]) < 1


def test_without_the_mark_of_a_skipped_step_it_would_move(
    make: Callable, make_settings: Callable, views_of: Callable
) -> None:
    model = make(Taught)
    views = views_of(make_settings("rotate"), 4)

    class Unmarked(pl.Callback):
        def on_before_optimizer_step(self, *args: Any) -> None:
            model.skips_step = None

    model.configure_callbacks = lambda: [Unmarked()]  # type: ignore[method-assign]
    states = fit(model, batches_of(views, {1}))
    moved = [name for name in states[0] if not torch.equal(states[0][name], states[1][name])]
    assert any(name.startswith("teachers.taught.network") for name in moved)


def test_in_chunks_it_sees_what_it_sees_at_once(
    make: Callable, make_settings: Callable, views_of: Callable
) -> None:
    batch = {"taught": views_of(make_settings("rotate"), 4)}
    losses = []
    for chunk in (None, 3):
        model = make(Taught, gradient_cache_chunk=chunk).double().train()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        losses.append(model(batch)["loss"])
    torch.testing.assert_close(*losses, rtol=1e-12, atol=0)


def test_other_objectives_have_none_and_a_part_may_encode_its_own_views(
    make: Callable, make_settings: Callable, views_of: Callable
) -> None:
    views = views_of(make_settings("rotate"), 4)
    for chunk in (None, 3):
        model = make(Taught, Alone, gradient_cache_chunk=chunk).eval()
        assert list(model.teachers) == ["taught"]
        inputs = model.encode({"taught": views, "alone": views})
        assert list(inputs) == ["taught", "alone"]
        expected = model.backbone.encode(views.image.flip(-1))[1]
        torch.testing.assert_close(inputs["alone"][1], expected)
        assert not torch.allclose(inputs["taught"][1], expected)
    assert not any("teacher" in name for name in make(Alone).state_dict())
