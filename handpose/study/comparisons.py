"""The findings of a study: means over seeds, paired differences, the chosen settings, the cost.

Student's t is used throughout: there are few seeds, and their spread is unknown. A number that
does not exist is None with a reason, never NaN.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import stats

from handpose.study.multiruns import Failure
from handpose.study.run_grid import STAGES, batches
from handpose.study.status import Status
from handpose.study.study_file import Study

_ROUNDING = 1e-12  # relative: a smaller spread is that of floating point


class Value(NamedTuple):
    """The metric of one final run; None with the reason."""

    value: float | None
    reason: str
    constant: float | None  # of the constant prediction on the same samples


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
        percent: the mean difference over the other arm's mean, for the same seeds.
        p: of the two-sided paired t test.
    """

    estimate: Estimate
    percent: float | None
    p: float | None


class Comparison(NamedTuple):
    """A difference, and its p corrected over all comparisons of the study."""

    difference: Difference
    p_holm: float | None

    @property
    def is_significant(self) -> bool:
        """Whether the corrected p is below 5 %."""
        return self.p_holm is not None and self.p_holm < 0.05


class Score(NamedTuple):
    """A candidate on the validation split; None before its run."""

    value: float | None
    is_chosen: bool


class Cost(NamedTuple):
    """Seconds of the finished runs of an arm; a mean is None without any run."""

    pretraining: float | None  # mean of a pre-training
    finetuning: float | None  # mean of a final fine-tuning
    total: float  # of all runs, those of tune/ included


class Findings(NamedTuple):
    """The results of the finished runs of a study."""

    study: Study
    counts: dict[str, tuple[int, int]]  # stage -> finished, planned
    values: dict[tuple[str, str, float, int], Value]  # (arm, head, fraction, seed), if finished
    means: dict[tuple[str, str, float], Estimate]  # (arm, head, fraction)
    comparisons: dict[tuple[str, str, str, float], Comparison]  # (arm, against, head, fraction)
    scores: dict[tuple[str, str, float, str], Score]  # (arm, head, fraction, candidate)
    costs: dict[str, Cost]  # arm
    unfinished: list[Failure]
    commands: list[list[str]]  # arguments of train.py that make the whole study

    def constant(self, head: str, fraction: float) -> float | None:
        """Returns the number of the constant prediction, the mean over all runs that have it."""
        own = [v.constant for (_, *at, _), v in self.values.items() if at == [head, fraction]]
        return estimate([value for value in own if value is not None]).mean


def collect(status: Status, unfinished: list[Failure]) -> Findings:
    """Reads what is finished.

    Args:
        status: the study.
        unfinished: the other cells, with reasons.

    Raises:
        ValueError: a results.json is corrupt, or lacks a metric of the study.
    """
    study = status.study
    cells = {stage: status.cells(stage) for stage in STAGES}
    values = {
        (cell.arm, str(cell.head), cell.fraction or 0.0, cell.seed): Value(
            *status.number(cell, study.metric),
            status.number(cell, study.constant)[0] if study.constant else None,
        )
        for cell in cells["runs"]
        if status.is_finished(cell)
    }
    means = product(study.arms, study.heads, study.fractions)
    return Findings(
        study,
        counts={s: (sum(map(status.is_finished, own)), len(own)) for s, own in cells.items()},
        values=values,
        means={place: estimate([*_seeds(values, *place).values()]) for place in means},
        comparisons=_comparisons(study, values),
        scores=_scores(status),
        costs={arm: _cost(status, arm) for arm in study.arms},
        unfinished=unfinished,
        commands=[status.grid.multirun(b) for own in cells.values() for b in batches(own)],
    )


def _seeds(values: Mapping, arm: str, head: str, fraction: float) -> dict[int, float]:
    """Returns seed -> value for the finished runs."""
    place = [arm, head, fraction]
    own = {seed: one.value for (*at, seed), one in values.items() if at == place}
    return {seed: value for seed, value in own.items() if value is not None}


def _comparisons(study: Study, values: Mapping) -> dict[tuple[str, str, str, float], Comparison]:
    """Compares all pairs for every head and fraction: the family of Holm's correction."""
    found = {
        (arm, against, head, part): paired_difference(
            _seeds(values, arm, head, part), _seeds(values, against, head, part)
        )
        for head, (arm, against), part in product(study.heads, study.pairs, study.fractions)
    }
    corrected = holm([difference.p for difference in found.values()])
    return {k: Comparison(d, p) for (k, d), p in zip(found.items(), corrected, strict=True)}


def _scores(status: Status) -> dict[tuple[str, str, float, str], Score]:
    tune = status.study.tune
    return {
        (cell.arm, str(cell.head), cell.fraction, name): Score(value, name == cell.candidate)
        for cell in status.cells("runs")
        if tune and cell.fraction in tune.fractions
        for name, value in status.scores(cell).items()
    }


def _cost(status: Status, arm: str) -> Cost:
    """Reads the training times of an arm."""
    seconds: dict[str, list[float]] = {}
    for stage in STAGES:
        name = "pretrain_seconds" if stage == "pretrain" else "finetune_seconds"
        own = [cell for cell in status.cells(stage) if cell.arm == arm]
        finished = filter(status.is_finished, own)
        seconds[stage] = [status.number(cell, name)[0] or 0.0 for cell in finished]
    total = sum(map(sum, seconds.values()))
    return Cost(estimate(seconds["pretrain"]).mean, estimate(seconds["runs"]).mean, total)


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
    percent = 100 * found.mean / float(base.mean()) if base.mean() else None
    p = None if found.low is None else float(stats.ttest_rel(own, base).pvalue)
    return Difference(found, percent, p)


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
