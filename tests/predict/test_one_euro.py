"""The One Euro filter against closed forms, and against the paper's algorithm number by number."""

import math

import numpy as np
import pytest

from handpose.predict.one_euro import OneEuroFilter


def test_a_constant_stays() -> None:
    smooth = OneEuroFilter(min_cutoff=1.0, beta=3.0)
    values = np.array([[1.5, -2.0], [0.0, 7.0]])
    for number in range(20):
        assert np.array_equal(smooth(values, number / 30), values)


@pytest.mark.parametrize("cutoff", [0.5, 2.0])
def test_a_step_is_approached_geometrically(cutoff: float) -> None:
    rate = 30.0
    smooth = OneEuroFilter(min_cutoff=cutoff, beta=0.0)
    assert smooth(np.zeros(1), 0.0) == 0
    alpha = 1 / (1 + rate / (2 * math.pi * cutoff))
    for number in range(1, 40):
        expected = 1 - (1 - alpha) ** number
        assert smooth(np.ones(1), number / rate)[0] == pytest.approx(expected, rel=1e-12)


def test_it_is_the_algorithm_of_the_paper() -> None:
    """Algorithm 1 of Casiez et al. for one number, at irregular times."""

    def alpha(period: float, cutoff: float) -> float:
        return 1 / (1 + 1 / (2 * math.pi * cutoff * period))

    rng = np.random.default_rng(0)
    times, values = np.cumsum(rng.uniform(0.01, 0.1, 60)), rng.normal(size=60)
    smooth = OneEuroFilter(min_cutoff=0.8, beta=0.7, derivative_cutoff=1.3)
    hat_x, hat_dx = values[0], 0.0
    assert smooth(values[:1], times[0])[0] == hat_x
    for number in range(1, 60):
        period = times[number] - times[number - 1]
        dx = (values[number] - hat_x) / period
        a = alpha(period, 1.3)
        hat_dx = a * dx + (1 - a) * hat_dx
        a = alpha(period, 0.8 + 0.7 * abs(hat_dx))
        hat_x = a * values[number] + (1 - a) * hat_x
        assert smooth(values[number : number + 1], times[number])[0] == pytest.approx(hat_x)


def test_it_removes_jitter_at_rest_and_lags_less_with_beta() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=300)
    smooth = OneEuroFilter(min_cutoff=1.0)
    still = np.array([smooth(noise[n : n + 1], n / 30)[0] for n in range(300)])
    assert still[30:].std() < 0.5 * noise.std()

    def lag(beta: float) -> float:
        moving = OneEuroFilter(min_cutoff=1.0, beta=beta)
        return 5 - float([moving(np.array([n / 30]), n / 30)[0] for n in range(151)][-1])

    assert lag(0.0) == pytest.approx(1 / (2 * math.pi), rel=1e-3), "tau, of a first-order low-pass"
    assert lag(4.0) < 0.3 * lag(0.0)


def test_a_time_that_stands_still_changes_nothing() -> None:
    smooth = OneEuroFilter()
    smooth(np.zeros(2), 0.0)
    before = smooth(np.ones(2), 0.1)
    assert np.array_equal(smooth(np.full(2, 9.0), 0.1), before)
    assert np.isfinite(smooth(np.ones(2), 0.2)).all()
