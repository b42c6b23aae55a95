"""The runs of a study, and the multiruns of train.py that make them.

A cell is one run. Its folder, below the study's own:

    pretrain/<arm>/seed-<seed>                            backbone.pt, shared by all that follow
    tune/<arm>/<candidate>/<head>/labels-<fraction>       on the validation split
    runs/<arm>/<head>/labels-<fraction>/seed-<seed>       with the best candidate of tune/
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple

from handpose.study.study_file import Study

Stage = Literal["pretrain", "tune", "runs"]
STAGES: tuple[Stage, ...] = ("pretrain", "tune", "runs")


class Cell(NamedTuple):
    """One run. `candidate` of a final run is the chosen one, None before the choice."""

    stage: Stage
    arm: str
    seed: int
    head: str | None = None
    fraction: float | None = None
    candidate: str | None = None

    @property
    def folder(self) -> str:
        """Return the run directory, relative to the study's folder."""
        within = _within(self.stage, self.head, self.fraction, self.seed)
        return f"{_top(self.stage, self.arm, self.candidate)}/{within}"


class Batch(NamedTuple):
    """The cells of one multirun: all combinations of heads, fractions and seeds."""

    stage: Stage
    arm: str
    candidate: str | None
    heads: tuple[str | None, ...]
    fractions: tuple[float | None, ...]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, cell: Cell) -> "Batch":
        """Returns a batch of one cell."""
        varied = ((cell.head,), (cell.fraction,), (cell.seed,))
        return cls(cell.stage, cell.arm, cell.candidate, *varied)

    @property
    def cells(self) -> list[Cell]:
        """The cells in the order in which Hydra runs them."""
        return [
            Cell(self.stage, self.arm, seed, head, fraction, self.candidate)
            for head, fraction, seed in product(self.heads, self.fractions, self.seeds)
        ]


def _top(stage: Stage, arm: str, candidate: str | None) -> str:
    """Returns the folder of a multirun."""
    return f"{stage}/{arm}/{candidate}" if stage == "tune" else f"{stage}/{arm}"


def _within(stage: Stage, head: object, fraction: object, seed: object) -> str:
    """Returns the folder of a run, relative to its multirun."""
    labels = f"{head}/labels-{fraction}"
    names = {"pretrain": f"seed-{seed}", "tune": labels, "runs": f"{labels}/seed-{seed}"}
    return names[stage]


def batches(cells: Iterable[Cell]) -> list[Batch]:
    """Returns multiruns that make exactly these cells: one per arm if all of its are missing."""
    found = [Batch.of(cell) for cell in cells]
    for axis in ("seeds", "fractions", "heads"):
        joined: dict[Batch, tuple] = {}
        for batch in found:
            rest = _with(batch, axis, ())
            joined[rest] = joined.get(rest, ()) + getattr(batch, axis)
        found = [_with(rest, axis, values) for rest, values in joined.items()]
    return found


def _with(batch: Batch, axis: str, values: tuple) -> Batch:
    changed: dict[str, Any] = {axis: values}
    return batch._replace(**changed)


class RunGrid(NamedTuple):
    """All runs of a study. `extra` overrides, from the command line, win over the study's own."""

    study: Study
    extra: Sequence[str] = ()

    def cells(self, stage: Stage) -> list[Cell]:
        """Returns all cells of a stage; the candidates of final runs are still open."""
        study, tune = self.study, self.study.tune
        if stage == "pretrain":
            seeds = (*study.seeds, tune.seed) if tune else study.seeds
            arms = [arm for arm, lines in study.arms.items() if lines is not None]
            return [Cell(stage, arm, seed) for arm, seed in product(arms, seeds)]
        if stage == "runs":
            every = product(study.arms, study.heads, study.fractions, study.seeds)
            return [Cell(stage, arm, seed, head, part) for arm, head, part, seed in every]
        if tune is None:
            return []
        tried = product(study.arms, tune.candidates, study.heads, tune.fractions)
        return [Cell(stage, a, tune.seed, h, f, candidate) for a, candidate, h, f in tried]

    def overrides(self, batch: Batch) -> list[str]:
        """Returns the overrides of these cells; of a repeated key, the last one alone."""
        study, start = self.study, self.study.arms[batch.arm]
        if batch.stage == "pretrain":
            lines = [*study.common, *study.pretrain.common, *(start or ()), *self.extra]
            return _last_of_each([*lines, "head=none", f"seed={_several(batch.seeds)}"])
        settings = study.tune.candidates[batch.candidate] if study.tune and batch.candidate else ()
        lines = [
            *(*study.common, *study.finetune.common, *settings, *self.extra),
            *("objective=none", f"head={_several(batch.heads)}"),
            f"finetune.label_fraction={_several(batch.fractions)}",
            f"seed={_several(batch.seeds)}",
        ]
        if start is not None:
            lines.append(f"{self._backbones}/{batch.arm}/seed-${{seed}}/backbone.pt")
        if batch.stage == "tune":
            lines.append("evaluate.split=val")
        return _last_of_each(lines)

    def multirun(self, batch: Batch) -> list[str]:
        """Returns the arguments of train.py that make these cells in their folders."""
        varied = ("${hydra.runtime.choices.head}", "${finetune.label_fraction}", "${seed}")
        return [
            "-m",
            *self.overrides(batch),
            f"sweep={self.study.name}",
            f"hydra.sweep.dir={self._root}/{_top(batch.stage, batch.arm, batch.candidate)}",
            f"hydra.sweep.subdir={_within(batch.stage, *varied)}",
        ]

    def samples(self) -> list[list[str]]:
        """Returns arguments of train.py whose check tells whether the study can run.

        They hold every pre-training, head and candidate. Seeds and fractions are checked already,
        and the backbones do not exist yet.
        """
        seed, arm = self.study.seeds[0], next(iter(self.study.arms))
        starts = [cell for cell in self.cells("pretrain") if cell.seed == seed]
        every = self.cells("tune") or [cell for cell in self.cells("runs") if cell.seed == seed]
        ends = [cell for cell in every if (cell.arm, cell.fraction) == (arm, every[0].fraction)]
        return [
            [line for line in self.multirun(batch) if not line.startswith(self._backbones)]
            for batch in batches(starts + ends)
        ]

    @property
    def _root(self) -> str:
        """The study's folder as Hydra interpolates it."""
        return f"${{paths.runs}}/studies/{self.study.name}"

    @property
    def _backbones(self) -> str:
        return f"backbone.weights={self._root}/pretrain"


def _several(values: Sequence[object]) -> str:
    return ",".join(map(str, values))


def _last_of_each(lines: Iterable[str]) -> list[str]:
    by_key: dict[str, str] = {}
    for line in lines:
        key = line.partition("=")[0].lstrip("+")
        by_key.pop(key, None)
        by_key[key] = line
    return list(by_key.values())
