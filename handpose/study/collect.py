"""What a study's finished cells say: every value, the statistics, what was chosen, what it cost."""

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from handpose.study.commands import multirun
from handpose.study.definition import Study
from handpose.study.launch import Failure
from handpose.study.plan import STAGES, Cell, batches
from handpose.study.progress import Progress
from handpose.study.statistics import Difference, Estimate, estimate, holm, paired_difference


class Value(NamedTuple):
    """The metric of one final run; None with the reason."""

    arm: str
    head: str
    fraction: float
    seed: int
    value: float | None
    reason: str
    constant: float | None  # what the constant prediction gets on the same samples


class Mean(NamedTuple):
    """An arm's metric over the seeds."""

    arm: str
    head: str
    fraction: float
    estimate: Estimate


class Comparison(NamedTuple):
    """An arm minus another one, paired by seed; `p_holm` is corrected over the whole study."""

    arm: str
    against: str
    head: str
    fraction: float
    difference: Difference
    p_holm: float | None


class Score(NamedTuple):
    """A candidate on the validation split; None where it was not tried yet."""

    arm: str
    head: str
    fraction: float
    candidate: str
    value: float | None
    is_chosen: bool


class Cost(NamedTuple):
    """Seconds of an arm, of what is finished; a mean is None without any run."""

    arm: str
    pretraining: float | None  # mean of a pre-training
    finetuning: float | None  # mean of a final fine-tuning
    total: float  # of all its runs, those that choose settings included


class Findings(NamedTuple):
    """A study as far as it is finished."""

    study: Study
    counts: dict[str, tuple[int, int]]  # stage -> finished, planned
    values: list[Value]  # of all final runs that are finished
    means: list[Mean]
    comparisons: list[Comparison]
    scores: list[Score]
    costs: list[Cost]
    unfinished: list[Failure]
    commands: list[list[str]]  # arguments of train.py that make the study from nothing


def collect(progress: Progress, unfinished: list[Failure]) -> Findings:
    """Reads what is finished.

    Raises:
        ValueError: a results.json is damaged, or has no number of that name.
    """
    study, values = progress.study, _values(progress)
    cells = {stage: progress.cells(stage) for stage in STAGES}
    return Findings(
        study=study,
        counts={s: (sum(map(progress.is_finished, own)), len(own)) for s, own in cells.items()},
        values=values,
        means=[
            Mean(arm, head, fraction, estimate([*_of(values, arm, head, fraction).values()]))
            for head, arm, fraction in product(study.heads, study.arms, study.fractions)
        ],
        comparisons=_comparisons(study, values),
        scores=_scores(progress),
        costs=[_cost(progress, arm) for arm in study.arms],
        unfinished=unfinished,
        commands=[
            multirun(study, batch, progress.extra)
            for own in cells.values()
            for batch in batches(own)
        ],
    )


def _values(progress: Progress) -> list[Value]:
    study = progress.study
    finished = [cell for cell in progress.cells("runs") if progress.is_finished(cell)]
    return [
        Value(
            *(*_place(cell), cell.seed, *progress.number(cell, study.metric)),
            progress.number(cell, study.constant)[0] if study.constant else None,
        )
        for cell in finished
    ]


def _place(cell: Cell) -> tuple[str, str, float]:
    assert cell.head is not None, "a pre-training has no head"
    assert cell.fraction is not None, "a pre-training takes no labels"
    return cell.arm, cell.head, cell.fraction


def _of(values: Iterable[Value], arm: str, head: str, fraction: float) -> dict[int, float]:
    """{seed: value} of an arm, where there is a value."""
    own = [v for v in values if (v.arm, v.head, v.fraction) == (arm, head, fraction)]
    return {v.seed: v.value for v in own if v.value is not None}


def _comparisons(study: Study, values: list[Value]) -> list[Comparison]:
    """All pairs of the study, with every head and fraction: the family of Holm's correction."""
    every = [(*pair, h, f) for h, pair, f in product(study.heads, study.pairs, study.fractions)]
    found = [
        paired_difference(_of(values, arm, head, part), _of(values, against, head, part))
        for arm, against, head, part in every
    ]
    corrected = holm([difference.p for difference in found])
    return [Comparison(*e, d, p) for e, d, p in zip(every, found, corrected, strict=True)]


def _scores(progress: Progress) -> list[Score]:
    study = progress.study
    tried = study.tuning.fractions if study.tuning else ()
    final = [
        cell
        for cell in progress.cells("runs")
        if cell.seed == study.seeds[0] and cell.fraction in tried
    ]
    return [
        Score(*_place(cell), name, score, name == cell.candidate)
        for cell in final
        for name, score in progress.scores(cell).items()
    ]


def _cost(progress: Progress, arm: str) -> Cost:
    stages = {
        "pretrain": "pretrain_seconds",
        "tune": "finetune_seconds",
        "runs": "finetune_seconds",
    }
    seconds = {
        stage: [
            progress.number(cell, stages[stage])[0] or 0.0
            for cell in progress.cells(stage)
            if cell.arm == arm and progress.is_finished(cell)
        ]
        for stage in STAGES
    }
    total = sum(map(sum, seconds.values()))
    return Cost(arm, estimate(seconds["pretrain"]).mean, estimate(seconds["runs"]).mean, total)
