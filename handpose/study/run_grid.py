"""The runs of a study, and the multiruns of train.py that make them.

A cell is one run. Its folder, below the study's own:

    pretrain/<arm>/seed-<seed>                            backbone.pt, shared by all that follow
    tune/<arm>/<candidate>/<head>/labels-<fraction>       on the validation split
    runs/<arm>/<head>/labels-<fraction>/seed-<seed>       with the best candidate of tune/

A study with conditions has tune/<condition>/<arm>/... and runs/<condition>/<arm>/...
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple

from handpose.study.study_file import Study
from handpose.study.study_keys import Place

Stage = Literal["pretrain", "tune", "runs"]
STAGES: tuple[Stage, ...] = ("pretrain", "tune", "runs")


class Cell(NamedTuple):
    """One run.

    Attributes:
        candidate: of a final run: the chosen one, None before the choice.
        condition: None for a pre-training, and in a study without conditions.
    """

    stage: Stage
    arm: str
    seed: int
    head: str | None = None
    fraction: float | None = None
    candidate: str | None = None
    condition: str | None = None

    @property
    def place(self) -> Place:
        """Where the arm of a tuning or final run is compared with others."""
        assert self.head is not None, "a pre-training has no place"
        assert self.fraction is not None, "a pre-training has no place"
        return Place(self.condition, self.head, self.fraction)

    @property
    def folder(self) -> str:
        """Return the run directory, relative to the study's folder."""
        within = _within(self.stage, self.head, self.fraction, self.seed)
        return f"{_top(self.stage, self.condition, self.arm, self.candidate)}/{within}"


class Batch(NamedTuple):
    """The cells of one multirun: all combinations of heads, fractions and seeds."""

    stage: Stage
    arm: str
    candidate: str | None
    heads: tuple[str | None, ...]
    fractions: tuple[float | None, ...]
    seeds: tuple[int, ...]
    condition: str | None = None

    @classmethod
    def of(cls, cell: Cell) -> "Batch":
        """Returns a batch of one cell."""
        varied = ((cell.head,), (cell.fraction,), (cell.seed,))
        return cls(cell.stage, cell.arm, cell.candidate, *varied, cell.condition)

    @property
    def cells(self) -> list[Cell]:
        """The cells in the order in which Hydra runs them."""
        return [
            Cell(self.stage, self.arm, seed, head, fraction, self.candidate, self.condition)
            for head, fraction, seed in product(self.heads, self.fractions, self.seeds)
        ]


def _top(stage: Stage, condition: str | None, arm: str, candidate: str | None) -> str:
    """Returns the folder of a multirun."""
    names = [stage, condition, arm, candidate if stage == "tune" else None]
    return "/".join(name for name in names if name)


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

    @property
    def public(self) -> "RunGrid":
        """The grid without overrides of `paths`, which are of this machine."""
        kept = [line for line in self.extra if not line.startswith("paths.")]
        return self._replace(extra=kept)

    def cells(self, stage: Stage) -> list[Cell]:
        """Returns all cells of a stage; the candidates of final runs are still open."""
        if stage == "pretrain":
            return self._pretrainings()
        return self._tuning_runs() if stage == "tune" else self._final_runs()

    def _pretrainings(self) -> list[Cell]:
        """Returns one cell per arm and seed that a later cell starts from."""
        study, tune = self.study, self.study.tune
        needed = {
            pair for use in study.uses for pair in product(study.arms_of(use), study.seeds_of(use))
        }
        if tune:
            needed |= {(arm, tune.seed) for arm, _ in needed}
        arms = [arm for arm, lines in study.arms.items() if lines is not None]
        pairs = product(arms, (*study.seeds, *([tune.seed] if tune else ())))
        return [Cell("pretrain", arm, seed) for arm, seed in pairs if (arm, seed) in needed]

    def _tuning_runs(self) -> list[Cell]:
        """Returns the candidates of each arm, head and tuned fraction of each condition."""
        study, tune = self.study, self.study.tune
        if tune is None:
            return []
        cells: list[Cell] = []
        for use in study.uses:
            near = {tune.nearest(fraction) for fraction in study.fractions_of(use)}
            parts = [fraction for fraction in tune.fractions if fraction in near]
            tried = product(study.arms_of(use), tune.candidates, study.heads_of(use), parts)
            cells += [Cell("tune", a, tune.seed, h, f, name, use) for a, name, h, f in tried]
        return cells

    def _final_runs(self) -> list[Cell]:
        study = self.study
        return [
            Cell("runs", arm, seed, head, fraction, condition=use)
            for use in study.uses
            for arm in study.arms_of(use)
            for head, fraction in product(study.heads_of(use), study.fractions_of(use))
            for seed in study.seeds_of(use)
        ]

    def overrides(self, batch: Batch) -> list[str]:
        """Returns the overrides of these cells; of a repeated key, the last one alone."""
        study, start = self.study, self.study.arms[batch.arm]
        if batch.stage == "pretrain":
            lines = [*study.common, *study.pretrain.common, *(start or ()), *self.extra]
            return _last_of_each([*lines, "head=none", f"seed={_several(batch.seeds)}"])
        lines = [
            *(*study.common, *self._settings(batch), *self.extra),
            *("objective=none", f"head={_several(batch.heads)}"),
            f"finetune.label_fraction={_several(batch.fractions)}",
            f"seed={_several(batch.seeds)}",
        ]
        if start is not None:
            lines.append(f"{self._backbones}/{batch.arm}/seed-${{seed}}/backbone.pt")
        if batch.stage == "tune":
            lines.append("evaluate.split=val")
        return _last_of_each(lines)

    def _settings(self, batch: Batch) -> list[str]:
        """Returns the overrides of fine-tuning, from the most general to the most specific."""
        study = self.study
        uses = study.conditions or {}
        used = uses[batch.condition].finetune if batch.condition else ()
        tuned = study.tune.candidates[batch.candidate] if study.tune and batch.candidate else ()
        return [*study.finetune.common, *study.finetune.arms.get(batch.arm, ()), *used, *tuned]

    def multirun(self, batch: Batch) -> list[str]:
        """Returns the arguments of train.py that make these cells in their folders."""
        top = _top(batch.stage, batch.condition, batch.arm, batch.candidate)
        varied = ("${hydra.runtime.choices.head}", "${finetune.label_fraction}", "${seed}")
        return [
            "-m",
            *self.overrides(batch),
            f"sweep={self.study.name}",
            f"hydra.sweep.dir={self._root}/{top}",
            f"hydra.sweep.subdir={_within(batch.stage, *varied)}",
        ]

    def samples(self) -> list[list[str]]:
        """Returns arguments of train.py whose check tells whether the study can run.

        They hold every pre-training, head and setting of fine-tuning. Seeds and fractions are
        checked already, and the backbones do not exist yet.
        """
        chosen: dict[tuple, Cell] = {}
        for cell in self.cells("pretrain"):
            chosen.setdefault((cell.stage, cell.arm), cell)
        for cell in self.cells("tune") or self.cells("runs"):
            chosen.setdefault((cell.stage, cell.head, *self._settings(Batch.of(cell))), cell)
        return [
            [line for line in self.multirun(batch) if not line.startswith(self._backbones)]
            for batch in batches(chosen.values())
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
