"""The health panel: what it collects over an epoch, and of which part of the objective."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from handpose.augment.views import make_views
from handpose.evaluation.embedding_health import HEALTH, health
from handpose.objectives.relative import relative_map
from handpose.records import Features, Views
from handpose.training import monitors as module
from handpose.training.monitors import HealthPanel

Inputs = dict[str, tuple[Features, Tensor, Views]]


@pytest.fixture
def batch(make_settings: Callable, make_sample: Callable, rng: np.random.Generator) -> Callable:
    """batch(part=switches): six pairs a part, with embeddings that hold their turns and noise."""
    sample = make_sample(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    draw = torch.Generator().manual_seed(0)

    def make(**parts: tuple[str, ...]) -> Inputs:
        inputs: Inputs = {}
        for part, switches in parts.items():
            settings = make_settings(*switches)
            pairs = [
                make_views(sample, settings, rng=rng, size=32, num_views=2, identity=i, index=i)
                for i in range(6)
            ]
            views = default_collate(pairs)
            linear = views.params.affine[..., 0].float()
            noise = torch.randn(6, 2, 3, generator=draw)
            inputs[part] = ((), torch.cat((linear, 0.1 * noise), dim=-1), views)
        return inputs

    return make


def _pairs(inputs: Inputs, part: str) -> tuple[Tensor, Tensor]:
    _, embedding, views = inputs[part]
    return embedding, relative_map(views.params, 32).rotation


def test_an_epoch_is_that_of_all_its_batches(batch: Callable) -> None:
    batches = [batch(a=("rotate",)) for _ in range(3)]
    panel = HealthPanel()
    assert panel.compute() == {}
    for inputs in batches:
        panel.add(inputs, num_batches=3)
    expected = health(*map(torch.cat, zip(*(_pairs(b, "a") for b in batches), strict=True)))
    assert all(math.isfinite(value) for value in expected.values())
    assert panel.compute() == expected
    assert panel.compute() == {}  # anew for the next epoch


def test_a_long_epoch_gives_an_even_share(batch: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 7)
    batches = [batch(a=("rotate",)) for _ in range(2)]
    panel = HealthPanel()
    for inputs in batches:
        panel.add(inputs, num_batches=2)
    rows = [0, 2, 5]
    chosen = [[pairs[rows] for pairs in _pairs(inputs, "a")] for inputs in batches]
    assert panel.compute() == health(*map(torch.cat, zip(*chosen, strict=True)))


def test_of_several_parts_the_first_counts_and_for_the_turn_the_first_that_turns(
    batch: Callable,
) -> None:
    inputs = batch(look=("gaussian_noise",), still=("colour_drop",), turned=("rotate",))
    panel = HealthPanel()
    panel.add(inputs, num_batches=1)
    values, look = panel.compute(), health(*_pairs(inputs, "look"))
    for name in HEALTH[:4]:
        assert values[name] == look[name]
    assert math.isnan(look["equivariance_error"])
    turned = health(*_pairs(inputs, "turned"))
    assert values["equivariance_error"] == turned["equivariance_error"]


def test_views_of_two_samples_have_no_turn(batch: Callable) -> None:
    inputs = batch(mined=("rotate",))
    levels, embedding, views = inputs["mined"]
    partner = torch.stack((torch.arange(6), torch.arange(6).roll(1)), dim=1)
    panel = HealthPanel()
    panel.add({"mined": (levels, embedding, views._replace(index=partner))}, num_batches=1)
    values = panel.compute()
    assert math.isnan(values.pop("equivariance_error"))
    assert all(math.isfinite(value) for value in values.values())
