"""Barlow Twins against lightly's loss, a slow version and its closed forms."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightly.loss.barlow_twins_loss import BarlowTwinsLoss
from torch import Tensor
from without_negatives import PAIRS, WIDTH, build, embeddings

LAMBDA = 0.005


@pytest.fixture
def views(make_settings: Callable, views_of: Callable) -> Any:
    return views_of(make_settings("rotate"), PAIRS)


def slow_barlow_twins(first: Tensor, second: Tensor) -> float:
    """Equations 1 and 2 of the paper, number by number; 1e-5 in the variance is torch's."""

    def standardised(z: Tensor) -> list[list[float]]:
        columns = []
        for d in range(WIDTH):
            values = [float(z[i, d]) for i in range(PAIRS)]
            mean = sum(values) / PAIRS
            variance = sum((value - mean) ** 2 for value in values) / PAIRS
            columns.append([(value - mean) / (variance + 1e-5) ** 0.5 for value in values])
        return columns

    total = 0.0
    a, b = standardised(first), standardised(second)
    for i in range(WIDTH):
        for j in range(WIDTH):
            c = sum(x * y for x, y in zip(a[i], b[j], strict=True)) / PAIRS
            total += (1 - c) ** 2 if i == j else LAMBDA * c**2
    return total


def test_it_is_lightlys_and_that_of_the_equations(make_settings: Callable, views: Any) -> None:
    embedding = embeddings()
    loss = float(build("barlow_twins", make_settings(), plain=True)((), embedding, views)["loss"])
    assert loss == pytest.approx(float(BarlowTwinsLoss(LAMBDA)(*embedding.unbind(1))), rel=1e-12)
    assert loss == pytest.approx(slow_barlow_twins(*embedding.unbind(1)), rel=1e-9)


def test_an_identity_for_a_correlation_costs_nothing(make_settings: Callable, views: Any) -> None:
    """Equal views with uncorrelated dimensions: columns of a Hadamard matrix."""
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    columns = torch.kron(torch.kron(two, two), two)[:, 1 : WIDTH + 1]
    objective = build("barlow_twins", make_settings(), plain=True)
    equal = torch.stack((columns, 7 * columns + 3), dim=1)  # shift and scale do not count
    assert float(objective((), equal, views)["loss"]) == pytest.approx(0, abs=1e-9)
    opposite = torch.stack((columns, -columns), dim=1)
    assert float(objective((), opposite, views)["loss"]) == pytest.approx(4 * WIDTH, rel=1e-4)
    same = columns[:, :1].expand(-1, WIDTH)  # one dimension, repeated
    redundant = float(objective((), torch.stack((same, same), dim=1), views)["loss"])
    assert redundant == pytest.approx(LAMBDA * WIDTH * (WIDTH - 1), rel=1e-4)


def test_a_collapse_costs_one_for_each_dimension(make_settings: Callable, views: Any) -> None:
    objective = build("barlow_twins", make_settings(), plain=True)
    collapsed = torch.full((PAIRS, 2, WIDTH), 3.0, dtype=torch.float64)
    assert float(objective((), collapsed, views)["loss"]) == pytest.approx(WIDTH)
