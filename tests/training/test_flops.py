"""FLOPs against closed forms, and that counting leaves no trace in the training."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from hands import labelled
from tiny_backbone import TinyBackbone
from torch import Tensor, nn
from torch._dynamo.utils import counters

from handpose import compose_config
from handpose.pipeline import parts
from handpose.training.compilation import compiled
from handpose.training.finetuner import Finetuner
from handpose.training.flops import predicted_flops, trained_flops
from handpose.training.pretrainer import Pretrainer


class Rows(NamedTuple):
    """A batch of vectors."""

    image: Tensor  # (B, 3)


class TwoLayers(nn.Module):
    """3 -> 5 -> 2, without biases."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 5, bias=False), nn.Linear(5, 2, bias=False)
        self.drop = nn.Dropout(0.5)

    def forward(self, batch: Rows) -> Tensor:
        return self.second(self.drop(self.first(batch.image)))

    def loss_of(self, batch: Rows) -> Tensor:
        return self(batch).sum()


FIRST, SECOND = 2 * 3 * 5, 2 * 5 * 2


@pytest.mark.parametrize("batch", [2, 3, 50])
def test_a_forward_pass_has_two_for_each_weight_and_a_backward_pass_twice_as_many(
    batch: int,
) -> None:
    rows = Rows(torch.randn(batch, 3))
    assert predicted_flops(TwoLayers(), rows) == FIRST + SECOND
    # Nothing needs the gradient of the input.
    assert trained_flops(TwoLayers(), rows) == 2 * FIRST + 3 * SECOND


def test_frozen_layers_have_no_backward_pass() -> None:
    network = TwoLayers()
    network.first.requires_grad_(False)
    assert trained_flops(network, Rows(torch.randn(4, 3))) == FIRST + 2 * SECOND


@pytest.fixture
def pretraining(views_of: Callable) -> Callable[..., tuple[Pretrainer, Any]]:
    def make(cell: str, backbone: nn.Module | None = None) -> tuple[Pretrainer, Any]:
        cfg = compose_config(*cell.split(), "dataset.image_size=32")
        backbone = backbone or TinyBackbone(dropout=0.5)
        augmentations = parts.build_view_augmentations(cfg)
        stage = Pretrainer(
            backbone=backbone,
            objective=parts.build_objective(cfg, backbone, augmentations),
            optimizer=parts.build_optimizer(cfg.pretrain.optimizer),
            warmup_epochs=0,
            gradient_cache_chunk=cfg.pretrain.gradient_cache_chunk,
        )
        return stage, {name: views_of(own, 4) for name, own in augmentations.items()}

    return make


def finetuning() -> tuple[Finetuner, Any]:
    cfg = compose_config("head=heatmap", "dataset.image_size=64")
    stage = Finetuner(
        model=parts.build_model(cfg, TinyBackbone(dropout=0.5)),
        optimizer=parts.build_optimizer(cfg.finetune.optimizer),
        warmup_epochs=0,
    )
    return stage, labelled(4, seed=0)


def state(stage: nn.Module) -> list[Any]:
    """Whatever training could notice."""
    tensors = [value.clone() for value in stage.state_dict().values()]
    gradients = [p.grad for p in stage.parameters()]
    return [*tensors, gradients, [m.training for m in stage.modules()], torch.get_rng_state()]


@pytest.mark.parametrize("name", ["contrastive", "relative", "hybrid", "finetune"])
def test_counting_leaves_no_trace(name: str, pretraining: Callable) -> None:
    stage, batch = finetuning() if name == "finetune" else pretraining(f"objective={name}")
    stage.train()
    next(stage.modules()).training = True
    if name == "finetune":
        stage.model.backbone.eval()  # as a frozen one is
    before = state(stage)
    assert trained_flops(stage, batch) > predicted_flops(stage, batch) > 0
    for a, b in zip(before, state(stage), strict=True):
        assert torch.equal(a, b) if isinstance(a, Tensor) else a == b
    assert not stage._means.state_dict(), "nothing is logged"


def test_gradient_caching_does_not_count_twice(pretraining: Callable) -> None:
    stage, batch = pretraining("objective=contrastive")
    cached, _ = pretraining("objective=contrastive pretrain.gradient_cache_chunk=2")
    assert trained_flops(cached, batch) == trained_flops(stage, batch)


def test_a_compiled_network_is_counted_without_compiling_it(pretraining: Callable) -> None:
    stage, batch = pretraining("objective=contrastive")
    eager = trained_flops(stage, batch)
    before = dict(counters["stats"])
    with compiled(stage.networks()):
        assert trained_flops(stage, batch) == eager
    assert counters["stats"] == before


def test_an_error_restores_the_modes() -> None:
    network = TwoLayers().train()
    with pytest.raises(RuntimeError):
        trained_flops(network, Rows(torch.randn(4, 7)))
    assert all(module.training for module in network.modules())
