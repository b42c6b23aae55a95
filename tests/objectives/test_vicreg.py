"""VICReg against lightly's loss, a slow version and its closed forms."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightly.loss.vicreg_loss import VICRegLoss
from torch import Tensor
from without_negatives import PAIRS, WIDTH, build, embeddings


def terms(embedding: Tensor, settings: Any, views: Any) -> dict[str, Tensor]:
    return build("vicreg", settings, plain=True)((), embedding, views)


def slow_vicreg(first: Tensor, second: Tensor) -> float:
    """Equations 1 to 6 of the paper, number by number; v is averaged as in the authors' code."""
    total = (
        25
        * sum(float((first[i, d] - second[i, d]) ** 2) for i in range(PAIRS) for d in range(WIDTH))
        / (PAIRS * WIDTH)
    )
    for z in (first, second):
        mean = [sum(float(z[i, d]) for i in range(PAIRS)) / PAIRS for d in range(WIDTH)]

        def covariance(c: int, d: int, z: Tensor = z, mean: list[float] = mean) -> float:
            apart = ((float(z[i, c]) - mean[c], float(z[i, d]) - mean[d]) for i in range(PAIRS))
            return sum(a * b for a, b in apart) / (PAIRS - 1)

        for c in range(WIDTH):
            total += 25 / 2 * max(0.0, 1 - (covariance(c, c) + 1e-4) ** 0.5) / WIDTH
            total += sum(covariance(c, d) ** 2 for d in range(WIDTH) if d != c) / WIDTH
    return total


@pytest.fixture
def views(make_settings: Callable, views_of: Callable) -> Any:
    return views_of(make_settings("rotate"), PAIRS)


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_it_is_lightlys_and_that_of_the_equations(
    scale: float, make_settings: Callable, views: Any
) -> None:
    embedding = scale * embeddings()
    loss = float(terms(embedding, make_settings(), views)["loss"])
    assert loss == pytest.approx(float(VICRegLoss()(*embedding.unbind(1))), rel=1e-12)
    assert loss == pytest.approx(slow_vicreg(*embedding.unbind(1)), rel=1e-9)


def test_equal_views_have_no_invariance_term(make_settings: Callable, views: Any) -> None:
    """With a variance above 1 and no covariance nothing is left."""
    axes = torch.cat((torch.eye(WIDTH), torch.zeros(PAIRS - WIDTH, WIDTH))).double()
    found = terms(5 * axes[:, None].expand(-1, 2, -1), make_settings(), views)
    assert found["loss_invariance"] == 0
    assert found["loss_variance"] == 0
    # of 5 e_c and 5 e_d over B samples: -25 / (B (B - 1)), for D - 1 others
    expected = 2 * (WIDTH - 1) * (25 / (PAIRS * (PAIRS - 1))) ** 2
    assert float(found["loss_covariance"]) == pytest.approx(expected)


def test_a_collapse_costs_the_whole_hinge(make_settings: Callable, views: Any) -> None:
    collapsed = torch.full((PAIRS, 2, WIDTH), 3.0, dtype=torch.float64)
    found = terms(collapsed, make_settings(), views)
    assert float(found["loss_variance"]) == pytest.approx(1 - 1e-4**0.5)
    assert float(found["loss"]) == pytest.approx(25 * (1 - 1e-4**0.5))
