"""The findings of a study: means over seeds, paired differences, the chosen settings, the cost."""

from collections.abc import Mapping
from typing import NamedTuple

from handpose.study.multiruns import Failure
from handpose.study.run_grid import STAGES, batches
from handpose.study.statistics import Difference, Estimate, estimate, holm, paired_difference
from handpose.study.status import Status
from handpose.study.study_file import Study
from handpose.study.study_keys import Place


class Value(NamedTuple):
    """The metric of one final run; None with the reason."""

    value: float | None
    reason: str
    constant: float | None  # of the constant prediction on the same samples


class Comparison(NamedTuple):
    """A difference, and its p corrected over the comparisons of its family.

    Attributes:
        p_holm: the corrected p.
        is_primary: whether it is of the primary endpoint, whose comparisons are one family. All
            others are a second one.
        dropped: planned seeds that one of the arms has no value for.
    """

    difference: Difference
    p_holm: float | None
    is_primary: bool
    dropped: tuple[int, ...]

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
    values: dict[tuple[Place, str, int], Value]  # (place, arm, seed), if finished
    means: dict[tuple[Place, str], Estimate]  # (place, arm)
    comparisons: dict[tuple[Place, str, str], Comparison]  # (place, arm, against)
    scores: dict[tuple[Place, str, str], Score]  # (place, arm, candidate)
    costs: dict[str, Cost]  # arm
    unfinished: list[Failure]
    commands: list[list[str]]  # arguments of train.py that make the whole study

    def constant(self, place: Place) -> float | None:
        """Returns the number of the constant prediction, the mean over all runs that have it."""
        own = [v.constant for (where, *_), v in self.values.items() if where == place]
        return estimate([value for value in own if value is not None]).mean

    def family(self, *, is_primary: bool) -> list[Comparison]:
        """Returns the comparisons of one of the two families of Holm's correction.

        Args:
            is_primary: the family of the primary endpoint, or that of all other comparisons.
        """
        return [found for found in self.comparisons.values() if found.is_primary == is_primary]


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
        (cell.place, cell.arm, cell.seed): Value(
            *status.number(cell, study.metric),
            status.number(cell, study.constant)[0] if study.constant else None,
        )
        for cell in cells["runs"]
        if status.is_finished(cell)
    }
    means = [(place, arm) for place in study.places for arm in study.arms_of(place.condition)]
    return Findings(
        study,
        counts={s: (sum(map(status.is_finished, own)), len(own)) for s, own in cells.items()},
        values=values,
        means={key: estimate([*_seeds(values, *key).values()]) for key in means},
        comparisons=_comparisons(study, values),
        scores=_scores(status),
        costs={arm: _cost(status, arm) for arm in study.arms},
        unfinished=unfinished,
        commands=[status.grid.multirun(b) for own in cells.values() for b in batches(own)],
    )


def _seeds(values: Mapping, place: Place, arm: str) -> dict[int, float]:
    """Returns seed -> value for the finished runs."""
    own = {seed: one.value for (*at, seed), one in values.items() if at == [place, arm]}
    return {seed: value for seed, value in own.items() if value is not None}


def _comparisons(study: Study, values: Mapping) -> dict[tuple[Place, str, str], Comparison]:
    """Compares all pairs at every place, and corrects the p values of each family."""
    pairs = [(place, *pair) for place in study.places for pair in study.pairs_of(place.condition)]
    primary = None if study.primary is None else study.primary.place
    families = [[key for key in pairs if (key[0] == primary) == own] for own in (True, False)]
    found: dict[tuple[Place, str, str], Comparison] = {}
    for keys in families:
        sides = [(_seeds(values, at, arm), _seeds(values, at, other)) for at, arm, other in keys]
        differences = [paired_difference(*both) for both in sides]
        corrected = holm([difference.p for difference in differences])
        for key, both, difference, p in zip(keys, sides, differences, corrected, strict=True):
            planned = study.seeds_of(key[0].condition)
            dropped = tuple(seed for seed in planned if not all(seed in own for own in both))
            found[key] = Comparison(difference, p, key[0] == primary, dropped)
    return {key: found[key] for key in pairs}


def _scores(status: Status) -> dict[tuple[Place, str, str], Score]:
    tried = [cell._replace(stage="runs", candidate=None) for cell in status.cells("tune")]
    return {
        (cell.place, cell.arm, name): Score(value, name == status.chosen(cell))
        for cell in dict.fromkeys(tried)
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
