"""How far a study is: what its cells have left on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from handpose.pipeline.run_directory import CONFIG, RESULTS
from handpose.study.changes import differences
from handpose.study.commands import overrides
from handpose.study.definition import Study
from handpose.study.plan import (
    STAGES,
    Batch,
    Cell,
    Stage,
    final_cells,
    pretraining_cells,
    tuning_cells,
)
from handpose.study.results import number, read_json


@dataclass
class Progress:
    """A study and its folder.

    Attributes:
        extra: overrides of every run, from the command line.
        changed: cells that were run by another plan than today's, and how it differs; they do not
            count as finished.
    """

    study: Study
    folder: Path
    extra: Sequence[str] = ()
    changed: dict[Cell, list[str]] = field(default_factory=dict)

    def cells(self, stage: Stage) -> list[Cell]:
        """The cells of a stage, the final ones with the candidate chosen so far."""
        if stage == "pretrain":
            return pretraining_cells(self.study)
        if stage == "tune":
            return tuning_cells(self.study)
        return [replace(cell, candidate=self.chosen(cell)) for cell in final_cells(self.study)]

    def is_finished(self, cell: Cell) -> bool:
        """Whether there are results that count."""
        if self.is_open(cell) or cell in self.changed:
            return False
        return (self.folder / cell.folder / RESULTS).is_file()

    def is_open(self, cell: Cell) -> bool:
        """Whether its settings are still to be chosen."""
        is_chosen = self.study.tuning is None or cell.candidate is not None
        return cell.stage == "runs" and not is_chosen

    def number(self, cell: Cell, name: str) -> tuple[float | None, str]:
        """A number of a finished cell, or None and why (see `handpose.study.results.number`)."""
        return number(self.folder / cell.folder / RESULTS, name)

    def scores(self, cell: Cell) -> dict[str, float | None]:
        """Candidate -> its number on the validation split, for what `cell` is of; None: not yet."""
        tuning = self.study.tuning
        if tuning is None or cell.fraction is None:
            return {}
        own = replace(cell, stage="tune", seed=tuning.seed, fraction=tuning.nearest(cell.fraction))
        tried = {name: replace(own, candidate=name) for name in tuning.candidates}
        return {
            name: self.number(one, tuning.metric)[0] if self.is_finished(one) else None
            for name, one in tried.items()
        }

    def chosen(self, cell: Cell) -> str | None:
        """The candidate that is best for what `cell` is of, once all of them have been tried."""
        found = self.scores(cell)
        scores = {name: score for name, score in found.items() if score is not None}
        if not scores or len(scores) < len(found):
            return None
        best = min if self.study.better == "lower" else max
        return best(scores, key=scores.__getitem__)

    def waits_for(self, cell: Cell) -> str:
        """What must be finished before a cell can start; empty where nothing."""
        backbone = self._backbone(cell)
        if backbone is not None and not self.is_finished(backbone):
            return backbone.folder
        if self.study.tuning is None or not self.is_open(cell):
            return ""
        missing = ", ".join(name for name, score in self.scores(cell).items() if score is None)
        what = f"{cell.arm}, {cell.head}, labels {cell.fraction}"
        return f"the candidate for {what}: no {self.study.tuning.metric} of {missing}"

    def _backbone(self, cell: Cell) -> Cell | None:
        """The pre-training that a cell starts from."""
        if cell.stage == "pretrain" or self.study.arms[cell.arm] is None:
            return None
        return Cell("pretrain", cell.arm, cell.seed)

    def find_changed(self) -> None:
        """Looks for cells that were run by another plan than today's.

        Raises:
            ValueError: a cell's configuration cannot be read; names it.
        """
        self.changed = {}
        for stage in STAGES:  # in their order: candidates that have changed choose nothing
            cells = [cell for cell in self.cells(stage) if self._is_comparable(cell)]
            planned = {cell: overrides(self.study, Batch.of(cell), self.extra) for cell in cells}
            found = differences({c: (self._config(c), lines) for c, lines in planned.items()})
            doubts = {cell: doubt for cell in cells if (doubt := self._doubt(cell))}
            self.changed |= {cell: [doubt] for cell, doubt in doubts.items()} | found

    def _is_comparable(self, cell: Cell) -> bool:
        """Whether a cell was begun, and it is known what it should be."""
        return not self.is_open(cell) and (self.folder / cell.folder / CONFIG).is_file()

    def _config(self, cell: Cell) -> dict[str, Any]:
        """The configuration that a cell was begun with."""
        return read_json(self.folder / cell.folder / CONFIG)

    def _doubt(self, cell: Cell) -> str:
        """Why a finished cell cannot have started from the backbone that is there, or nothing."""
        backbone, own = self._backbone(cell), self.folder / cell.folder / RESULTS
        if backbone is None or not own.is_file():
            return ""
        if not self.is_finished(backbone):
            return f"its {backbone.folder} is missing or of another plan"
        start = self.folder / backbone.folder / RESULTS
        is_older = own.stat().st_mtime_ns < start.stat().st_mtime_ns
        return f"its {backbone.folder} was made again since" if is_older else ""
