"""The findings of a study: means over seeds, paired differences, the chosen settings, the cost."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from handpose.study.multiruns import Failure
from handpose.study.run_grid import STAGES, Stage, batches
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
    """Training of the finished runs of an arm; a mean is None if no run has the number.

    Attributes:
        pretraining: seconds of a pre-training, the mean.
        pretraining_images: views that it was trained on: steps x batch x views.
        finetuning: seconds of a final fine-tuning, the mean.
        finetuning_images: crops that it was trained on: steps x batch.
        total: seconds of all runs, those of tune/ included.
    """

    pretraining: float | None
    pretraining_images: float | None
    finetuning: float | None
    finetuning_images: float | None
    total: float


class Findings(NamedTuple):
    """The results of the finished runs of a study."""

    study: Study
    counts: dict[str, tuple[int, int]]  # stage -> finished, planned
    values: dict[tuple[Place, str, int], Value]  # (place, arm, seed), if finished
    means: dict[tuple[Place, str], Estimate]  # (place, arm)
    comparisons: dict[tuple[Place, str, str], Comparison]  # (place, arm, against)
    scores: dict[tuple[Place, str, str], Score]  # (place, arm, candidate)
    costs: dict[str, Cost]  # arm
    environments: list[tuple[dict[str, Any], int]]  # commit, versions, device -> its runs
    unfinished: list[Failure]
    day: str  # when the runs were read, as ISO 8601
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


def collect(status: Status, unfinished: list[Failure], *, day: str | None = None) -> Findings:
    """Reads what is finished.

    Args:
        status: the study.
        unfinished: the other cells, with reasons.
        day: when the runs were read; None for today.

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
        environments=_environments(status),
        unfinished=unfinished,
        day=day or date.today().isoformat(),
        commands=[status.grid.public.multirun(b) for own in cells.values() for b in batches(own)],
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
    """Reads how long an arm was trained, and on how many images."""

    def numbers(stage: Stage, name: str) -> list[float]:
        own = [cell for cell in status.cells(stage) if cell.arm == arm]
        found = [status.results(cell).get(name) for cell in own if status.is_finished(cell)]
        return [value for value in found if value is not None]

    pretraining, finetuning = (
        numbers(*at) for at in (("pretrain", "pretrain_seconds"), ("runs", "finetune_seconds"))
    )
    return Cost(
        estimate(pretraining).mean,
        estimate(numbers("pretrain", "pretrain_images")).mean,
        estimate(finetuning).mean,
        estimate(numbers("runs", "finetune_images")).mean,
        sum(pretraining) + sum(finetuning) + sum(numbers("tune", "finetune_seconds")),
    )


def _environments(status: Status) -> list[tuple[dict[str, Any], int]]:
    """Counts the finished runs of each commit, set of versions and device."""
    found: dict[str, tuple[dict[str, Any], int]] = {}
    for cell in (cell for stage in STAGES for cell in status.cells(stage)):
        sessions = status.sessions(cell) if status.is_finished(cell) else []
        for key, one in {json.dumps(one, sort_keys=True): one for one in sessions}.items():
            found[key] = (one, found.get(key, (one, 0))[1] + 1)
    return [*found.values()]
