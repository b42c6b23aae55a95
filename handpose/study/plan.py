"""The runs of a study, and how they fall into multiruns.

A cell is one run. Its folder, below the study's own:

    pretrain/<arm>/seed-<seed>                            backbone.pt, shared by all that follow
    tune/<arm>/<candidate>/<head>/labels-<fraction>       on the validation split
    runs/<arm>/<head>/labels-<fraction>/seed-<seed>       with the candidate that was best there
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

from handpose.study.definition import Study

Stage = Literal["pretrain", "tune", "runs"]
STAGES: tuple[Stage, ...] = ("pretrain", "tune", "runs")


@dataclass(frozen=True)
class Cell:
    """One run; what it has not is None.

    Attributes:
        candidate: the settings that it is fine-tuned with; of `runs`, those that were chosen.
    """

    stage: Stage
    arm: str
    seed: int
    head: str | None = None
    fraction: float | None = None
    candidate: str | None = None

    @property
    def folder(self) -> str:
        """Its run directory, below the study's folder."""
        if self.stage == "pretrain":
            return f"pretrain/{self.arm}/seed-{self.seed}"
        place = f"{self.head}/labels-{self.fraction}"
        if self.stage == "tune":
            return f"tune/{self.arm}/{self.candidate}/{place}"
        return f"runs/{self.arm}/{place}/seed-{self.seed}"


@dataclass(frozen=True)
class Batch:
    """Cells that one multirun makes: all combinations of what varies."""

    stage: Stage
    arm: str
    candidate: str | None
    heads: tuple[str | None, ...]
    fractions: tuple[float | None, ...]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, cell: Cell) -> "Batch":
        """One cell alone."""
        varied = ((cell.head,), (cell.fraction,), (cell.seed,))
        return cls(cell.stage, cell.arm, cell.candidate, *varied)

    @property
    def cells(self) -> list[Cell]:
        """In the order in which Hydra runs them."""
        return [
            Cell(self.stage, self.arm, seed, head, fraction, self.candidate)
            for head, fraction, seed in product(self.heads, self.fractions, self.seeds)
        ]


def pretraining_cells(study: Study) -> list[Cell]:
    """One an arm and seed, that of the tuning runs included."""
    tuned = (study.tuning.seed,) if study.tuning else ()
    return [
        Cell("pretrain", arm, seed)
        for arm, overrides in study.arms.items()
        if overrides is not None
        for seed in (*study.seeds, *tuned)
    ]


def tuning_cells(study: Study) -> list[Cell]:
    """One a candidate, arm, head and fraction that is tried; none where nothing is to be chosen."""
    if study.tuning is None:
        return []
    tuning = study.tuning
    every = product(study.arms, tuning.candidates, study.heads, tuning.fractions)
    return [
        Cell("tune", arm, tuning.seed, head, fraction, candidate)
        for arm, candidate, head, fraction in every
    ]


def final_cells(study: Study) -> list[Cell]:
    """One an arm, head, fraction and seed, its candidate still open."""
    every = product(study.arms, study.heads, study.fractions, study.seeds)
    return [Cell("runs", arm, seed, head, fraction) for arm, head, fraction, seed in every]


def batches(cells: Iterable[Cell]) -> list[Batch]:
    """Multiruns that make these cells and no others; one an arm where all of its are missing."""
    found = [Batch.of(cell) for cell in cells]
    for axis in ("seeds", "fractions", "heads"):
        joined: dict[Batch, tuple] = {}
        for batch in found:
            rest = _with(batch, axis, ())
            joined[rest] = joined.get(rest, ()) + getattr(batch, axis)
        found = [_with(rest, axis, values) for rest, values in joined.items()]
    return found


def _with(batch: Batch, axis: str, values: tuple) -> Batch:
    changes: dict[str, Any] = {axis: values}
    return replace(batch, **changes)
