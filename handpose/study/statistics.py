"""Means over seeds, paired differences and Holm's correction.

Student's t is used throughout: there are few seeds, and their spread is unknown. A number that
does not exist is None with a reason, never NaN.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

_ROUNDING = 1e-12  # relative: a smaller spread is that of floating point


class Estimate(NamedTuple):
    """A mean over seeds and its 95 % interval; `reason` says why one is None."""

    n: int
    mean: float | None
    low: float | None
    high: float | None
    reason: str

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


class Difference(NamedTuple):
    """An arm minus the arm it is compared with, paired by seed.

    Attributes:
        estimate: of the differences.
        base: mean of the other arm, for the same seeds.
        p: of the two-sided paired t test.
    """

    estimate: Estimate
    base: float | None
    p: float | None

    @property
    def percent(self) -> float | None:
        """The mean difference in percent of the other arm's mean."""
        return self.in_percent(self.estimate.mean)

    def in_percent(self, value: float | None) -> float | None:
        """Returns a value in percent of the other arm's mean; None if one does not exist."""
        return 100 * value / self.base if value is not None and self.base else None


def estimate(values: Sequence[float], *, scale: float | None = None) -> Estimate:
    """Estimates the mean of one value per seed, with its t interval.

    Args:
        values: one per seed.
        scale: size of the numbers that the values come from, which bounds their rounding error;
            the largest of the values by default.
    """
    n = len(values)
    if n == 0:
        return Estimate(0, None, None, None, "no seed has it")
    mean, reason = float(np.mean(values)), ""
    if n == 1:
        reason = "1 seed: an interval takes two"
    elif np.ptp(values) <= _ROUNDING * (np.abs(values).max() if scale is None else scale):
        reason = f"all {n} seeds have the same value"
    if reason:
        return Estimate(n, mean, None, None, reason)
    low, high = stats.t.interval(0.95, n - 1, loc=mean, scale=stats.sem(values))
    return Estimate(n, mean, float(low), float(high), "")


def paired_difference(arm: Mapping[int, float], other: Mapping[int, float]) -> Difference:
    """Compares two arms over the seeds that both have.

    Args:
        arm: seed -> value.
        other: seed -> value, which is subtracted.
    """
    seeds = sorted(arm.keys() & other.keys())
    own, base = (np.array([values[seed] for seed in seeds]) for values in (arm, other))
    found = estimate((own - base).tolist(), scale=np.abs(own).max(initial=0))
    if found.mean is None:
        return Difference(found, None, None)
    p = None if found.low is None else float(stats.ttest_rel(own, base).pvalue)
    return Difference(found, float(base.mean()), p)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Corrects p values for their number (Holm, Scand. J. Statist. 6, 1979).

    The i-th smallest of m is multiplied by m - i + 1, cut at 1, and never below the one before it.
    A p that is None (not known yet) counts in m as the largest, which is conservative.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        corrected[place] = highest
    return corrected
