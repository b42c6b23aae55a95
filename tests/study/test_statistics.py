"""Intervals, paired tests and Holm's correction against closed forms and slow, obvious versions."""

import math

import numpy as np
import pytest
from scipy import stats

from handpose.study.statistics import estimate, holm, paired_difference


def test_interval_of_numbers_worked_out_by_hand() -> None:
    # Mean 3, s = sqrt(10 / 4), t(0.975, 4) = 2.776445 from a printed table.
    found = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * math.sqrt(2.5) / math.sqrt(5)
    assert (found.n, found.mean, found.reason) == (5, 3.0, "")
    assert found.half == pytest.approx(half, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), abs=1e-6)


def test_interval_covers_the_truth_as_often_as_it_says(rng: np.random.Generator) -> None:
    draws = rng.normal(7.0, 2.0, (1000, 4))
    found = [estimate(row.tolist()) for row in draws]
    covered = np.mean([e.low <= 7.0 <= e.high for e in found if e.low is not None])
    assert 0.935 < covered < 0.965
    # The wrong case: with the normal's 1.96 four seeds cover far too seldom.
    naive = 1.96 * draws.std(1, ddof=1) / 2
    assert np.mean(np.abs(draws.mean(1) - 7.0) <= naive) < 0.9


def test_paired_difference_is_the_paired_t_test(rng: np.random.Generator) -> None:
    arm, other = rng.normal(10, 1, 6), rng.normal(11, 1, 6)
    found = paired_difference(dict(enumerate(arm)), dict(enumerate(other)))
    result = stats.ttest_rel(arm, other)
    interval = result.confidence_interval(0.95)
    assert found.p == pytest.approx(result.pvalue)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((interval.low, interval.high))
    assert found.estimate.mean == pytest.approx(arm.mean() - other.mean())
    assert found.percent == pytest.approx(100 * (arm.mean() / other.mean() - 1))


def test_p_of_numbers_worked_out_by_hand() -> None:
    # Differences 1, 2, 3: t = 2 / (1 / sqrt 3), and with 2 degrees of freedom
    # p = 1 - t / sqrt(2 + t^2).
    found = paired_difference({1: 11.0, 2: 22.0, 3: 33.0}, {1: 10.0, 2: 20.0, 3: 30.0})
    t = 2 * math.sqrt(3)
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert found.percent == pytest.approx(10.0)


def test_pairs_are_of_one_seed() -> None:
    """Seeds that differ much and arms that differ little: only right pairs show it."""
    other = {seed: 10.0 * seed for seed in range(1, 6)}
    arm = {seed: value - 1 - 0.01 * seed for seed, value in other.items()}
    right = paired_difference(arm, other)
    shuffled = paired_difference(dict(zip(arm, reversed(arm.values()), strict=True)), other)
    backwards = paired_difference(dict(reversed(arm.items())), other)
    assert right.estimate.half is not None
    assert shuffled.estimate.half is not None
    assert shuffled.estimate.half > 100 * right.estimate.half
    assert right.p is not None
    assert shuffled.p is not None
    assert right.p < 1e-6 < 0.5 < shuffled.p
    assert backwards == right  # the order of the seeds says nothing


def test_only_seeds_that_both_have_are_compared() -> None:
    found = paired_difference({1: 4.0, 2: 6.0, 9: 99.0}, {1: 3.0, 2: 4.0, 8: -99.0})
    assert (found.estimate.n, found.estimate.mean) == (2, 1.5)
    assert found.percent == pytest.approx(100 * 1.5 / 3.5)


@pytest.mark.parametrize(
    ("arm", "n", "mean", "reason"),
    [
        ({}, 0, None, "no seed has it"),
        ({1: 3.0}, 1, 1.0, "1 seed: an interval takes two"),
        ({1: 3.0, 2: 6.0}, 2, 1.0, "all 2 seeds have the same value"),
        ({1: 2.0, 2: 5.0}, 2, 0.0, "all 2 seeds have the same value"),
        ({1: 2.1, 2: 5.1}, 2, 0.1, "all 2 seeds have the same value"),  # but for rounding
    ],
)
def test_what_does_not_exist_is_none_with_a_reason(
    arm: dict[int, float], n: int, mean: float | None, reason: str
) -> None:
    found = paired_difference(arm, {1: 2.0, 2: 5.0})
    assert found.estimate.n == n
    assert found.estimate.mean == (None if mean is None else pytest.approx(mean))
    assert (found.estimate.low, found.estimate.high, found.p) == (None, None, None)
    assert found.estimate.reason == reason


def test_holm_on_a_known_example() -> None:
    # Of R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_counts_what_is_not_known_yet() -> None:
    assert holm([0.01, None, 0.02, None]) == pytest.approx([0.04, None, 0.06, None])


def test_holm_rejects_what_its_step_down_procedure_rejects(rng: np.random.Generator) -> None:
    for _ in range(50):
        p = rng.uniform(0, 0.1, 6)
        rejected, order = set(), np.argsort(p)
        for rank, place in enumerate(order):
            if p[place] > 0.05 / (6 - rank):
                break
            rejected.add(int(place))
        corrected = holm(p.tolist())
        assert {i for i, q in enumerate(corrected) if q is not None and q <= 0.05} == rejected
