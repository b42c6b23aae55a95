"""The learned weight of a loss stays in its bounds."""

import math

import pytest
import torch
from torch import Tensor

from handpose.objectives.base import LOG_VARIANCE_BOUNDS, weigh_by_variance


def weight_and_gradient(error: float, s: Tensor) -> tuple[float, float]:
    """What `weigh_by_variance` multiplies an error with, and its gradient for the log-variance."""
    loss = torch.tensor(error, requires_grad=True)
    weight, gradient = torch.autograd.grad(weigh_by_variance(loss, s), (loss, s))
    return float(weight), float(gradient)


@pytest.mark.parametrize(("error", "expected"), [(0.0, math.exp(7)), (0.2, 5.0), (9e3, 1 / 9e3)])
@pytest.mark.parametrize("start", [0.0, -20.0, 20.0])
def test_a_learned_weight_stays_in_its_bounds(error: float, expected: float, start: float) -> None:
    """Without an error too, and from what an unbounded log-variance of an old checkpoint holds.

    Steps of one size down the gradient, as Adam's are.
    """
    s = torch.tensor(start, requires_grad=True)
    for _ in range(1500):
        s.data -= 0.02 * math.copysign(1.0, weight_and_gradient(error, s)[1])
    low, high = LOG_VARIANCE_BOUNDS
    assert low - 0.03 < float(s) < high + 0.03
    expected = min(max(expected, math.exp(-high)), math.exp(-low))
    assert weight_and_gradient(error, s)[0] == pytest.approx(expected, rel=0.1)


def test_within_the_bounds_a_learned_weight_is_the_plain_formula() -> None:
    for value in torch.linspace(-6.5, 6.5, 9).tolist():
        s = torch.tensor(value, requires_grad=True)
        loss = weigh_by_variance(torch.tensor(0.3), s)
        assert float(loss.detach()) == pytest.approx(math.exp(-value) * 0.3 + value, rel=1e-5)
        weight, gradient = weight_and_gradient(0.3, s)
        assert weight == pytest.approx(math.exp(-value), rel=1e-5)
        assert gradient == pytest.approx(1 - math.exp(-value) * 0.3, rel=1e-5)
