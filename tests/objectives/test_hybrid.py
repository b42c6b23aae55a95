"""The hybrid objective: the weighted sum of its parts, each on its own views."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from handpose.objectives.base import Objective
from handpose.objectives.hybrid import Hybrid
from handpose.records import Features, Views

CONTRACT = dict(channels=(4,), strides=(4,), embedding_dim=6, image_size=32)


class Mean(Objective):
    """The mean of the embedding."""

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        return {"loss": embedding.mean(), "mean": embedding.mean()}


class SelfWeighing(Mean):
    weighs_itself = True


def inputs(views: Views) -> dict[str, tuple[Features, Tensor, Views]]:
    values = {"one": 3.0, "two": 0.5}
    return {name: ((), torch.full((6, 2, 6), value), views) for name, value in values.items()}


@pytest.fixture
def hybrid(make_settings: Callable) -> Callable[..., Hybrid]:
    def make(second: type[Objective], **weights: float | None) -> Hybrid:
        part = dict(augmentation=make_settings("rotate"), **CONTRACT)
        return Hybrid(parts={"one": Mean(**part), "two": second(**part)}, weights=weights)

    return make


def test_given_weights_multiply(
    hybrid: Callable, views_of: Callable, make_settings: Callable
) -> None:
    terms = hybrid(Mean, one=2.0, two=4.0)(inputs(views_of(make_settings("rotate"))))
    assert float(terms["loss"]) == pytest.approx(2 * 3 + 4 * 0.5)
    assert float(terms["loss_one"]) == 3
    assert float(terms["loss_two"]) == 0.5


def test_learned_weights_settle_where_each_part_counts_the_same(
    hybrid: Callable, views_of: Callable, make_settings: Callable
) -> None:
    """min over s of exp(-s) L + s is 1 + log L, at s = log L."""
    objective = hybrid(Mean, one=None, two=None)
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.1)
    batch = inputs(views_of(make_settings("rotate")))
    for _ in range(300):
        optimizer.zero_grad()
        loss = objective(batch)["loss"]
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) == pytest.approx(2 + math.log(3) + math.log(0.5), abs=1e-4)
    assert float(objective.log_variance["two"]) == pytest.approx(math.log(0.5), abs=1e-3)


def test_a_part_that_weighs_itself_is_not_weighed_twice(
    hybrid: Callable, views_of: Callable, make_settings: Callable
) -> None:
    objective = hybrid(SelfWeighing, one=None, two=None)
    assert set(objective.log_variance) == {"one"}
    terms = objective(inputs(views_of(make_settings("rotate"))))
    assert float(terms["loss"].detach()) == pytest.approx(3.5)


def test_weights_are_those_of_the_parts(hybrid: Callable) -> None:
    with pytest.raises(ValueError, match="give each part a weight"):
        hybrid(Mean, one=1.0)
