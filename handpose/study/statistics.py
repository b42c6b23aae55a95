"""Means over seeds, differences paired by seed, and p values that know how many there are.

Student's t throughout: few seeds, their spread unknown. A number that does not exist is None with
a reason, never NaN.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
_ROUNDING = 1e-12  # of the values' size: a spread below it is that of floating point


class Estimate(NamedTuple):
    """A mean over seeds and its 95 % interval, both None where `reason` says why."""

    n: int
    mean: float | None
    low: float | None
    high: float | None
    reason: str

    @property
    def half(self) -> float | None:
        """Half the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


class Difference(NamedTuple):
    """An arm minus the one it is compared with, paired by seed.

    Attributes:
        estimate: of the differences.
        percent: the mean difference over the other arm's mean, of the same seeds.
        p: of the paired t test, two-sided.
    """

    estimate: Estimate
    percent: float | None
    p: float | None


def estimate(values: Sequence[float], *, size: float | None = None) -> Estimate:
    """The mean of one value a seed and its t interval, mean ± t(0.975, n - 1) s / √n.

    Args:
        size: of the numbers that the values come from, for what counts as rounding; their own.
    """
    n = len(values)
    if n == 0:
        return Estimate(0, None, None, None, "no seed has it")
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(1, mean, None, None, "1 seed: an interval takes two")
    largest = float(np.abs(values).max()) if size is None else size
    if np.ptp(values) <= _ROUNDING * largest:
        return Estimate(n, mean, None, None, f"all {n} seeds have the same value")
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * _standard_error(values)
    return Estimate(n, mean, mean - half, mean + half, "")


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def paired_difference(arm: Mapping[int, float], other: Mapping[int, float]) -> Difference:
    """`arm` minus `other`, both {seed: value}, over the seeds that both have.

    The paired t test is that of the differences against 0: t = mean / (s / √n).
    """
    seeds = sorted(arm.keys() & other.keys())
    own, base = np.array([arm[s] for s in seeds]), np.array([other[s] for s in seeds])
    differences = (own - base).tolist()
    found = estimate(differences, size=float(np.abs(own).max(initial=0)))
    if found.mean is None:
        return Difference(found, None, None)
    percent = 100 * found.mean / float(base.mean()) if base.mean() else None
    if found.low is None:
        return Difference(found, percent, None)
    t = found.mean / _standard_error(differences)
    return Difference(found, percent, 2 * float(stats.t.sf(abs(t), len(seeds) - 1)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values corrected for their number (Holm, Scand. J. Statist. 6, 1979).

    The i-th smallest of m is multiplied by m - i + 1, cut at 1, and is never below the one before
    it. One that is None, not known yet, counts in m, as the largest: that errs on the safe side.
    """
    order = sorted(range(len(p_values)), key=lambda place: _or_one(p_values[place]))
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        p = p_values[place]
        if p is not None:
            highest = max(highest, min(1.0, (len(p_values) - rank) * p))
            corrected[place] = highest
    return corrected


def _or_one(p: float | None) -> float:
    return 1.0 if p is None else p
