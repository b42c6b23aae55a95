"""The status of a study: the results of its runs on disk, and whether they count."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handpose.config.renamed import PROVENANCE
from handpose.config.stored import changes
from handpose.files import read_json_object
from handpose.messages import did_you_mean, nearest
from handpose.pipeline.run_directory import BACKBONE, CONFIG, RESULTS
from handpose.study.planned_runs import planned_configs
from handpose.study.run_grid import STAGES, Batch, Cell, RunGrid, Stage
from handpose.study.study_file import Study


@dataclass
class Status:
    """The runs of a study and its folder.

    Attributes:
        changed: cells that were run with other settings than planned now, and the differences.
            They do not count as finished.
    """

    grid: RunGrid
    folder: Path
    changed: dict[Cell, list[str]] = field(default_factory=dict)

    @property
    def study(self) -> Study:
        """The content of the study's file."""
        return self.grid.study

    def cells(self, stage: Stage) -> list[Cell]:
        """Returns the cells of a stage; final ones with the candidate that is chosen so far."""
        cells = self.grid.cells(stage)
        return [c._replace(candidate=self.chosen(c)) for c in cells] if stage == "runs" else cells

    def is_finished(self, cell: Cell) -> bool:
        """Tells whether the cell has results that count."""
        if self.is_open(cell) or cell in self.changed:
            return False
        return self.has_results(cell)

    def has_results(self, cell: Cell) -> bool:
        """Tells whether the cell has run to its end, with whatever settings."""
        return (self.folder / cell.folder / RESULTS).is_file()

    def results(self, cell: Cell) -> dict[str, Any]:
        """Returns the content of results.json of a cell that has results."""
        return read_json(self.folder / cell.folder / RESULTS)

    def sessions(self, cell: Cell) -> list[dict[str, Any]]:
        """Returns commit, versions and device of each start of a cell, as far as it has them."""
        path = self.folder / cell.folder / CONFIG
        block = read_json(path).get(PROVENANCE, {}) if path.is_file() else {}
        return [
            {key: one.get(key) for key in ("commit", "dirty", "versions", "device")}
            for one in block.get("sessions", [])
        ]

    def is_open(self, cell: Cell) -> bool:
        """Tells whether the settings of a cell are still to be chosen."""
        return cell.stage == "runs" and self.study.tune is not None and cell.candidate is None

    def number(self, cell: Cell, name: str) -> tuple[float | None, str]:
        """Returns a number of a finished cell; see `number`."""
        return number(self.results(cell), name, source=self.folder / cell.folder / RESULTS)

    def scores(self, cell: Cell) -> dict[str, float | None]:
        """Returns candidate -> validation score for the arm, head and labels of a final cell.

        A score is None before its run.
        """
        tune = self.study.tune
        if tune is None or cell.fraction is None:
            return {}
        own = cell._replace(stage="tune", seed=tune.seed, fraction=tune.nearest(cell.fraction))
        tried = {name: own._replace(candidate=name) for name in tune.candidates}
        return {
            name: self.number(one, tune.metric)[0] if self.is_finished(one) else None
            for name, one in tried.items()
        }

    def chosen(self, cell: Cell) -> str | None:
        """Returns the best candidate for a final cell, None before all have been tried."""
        found = self.scores(cell)
        scores = {name: score for name, score in found.items() if score is not None}
        if not scores or len(scores) < len(found):
            return None
        best = min if self.study.better == "lower" else max
        return best(scores, key=scores.__getitem__)

    def waits_for(self, cell: Cell) -> str:
        """Returns what a cell needs before it can start, or an empty text."""
        backbone = self._backbone(cell)
        if backbone is not None and not self.is_finished(backbone):
            return backbone.folder
        if self.study.tune is None or not self.is_open(cell):
            return ""
        missing = ", ".join(name for name, score in self.scores(cell).items() if score is None)
        where = (cell.condition, cell.arm, cell.head, f"labels {cell.fraction}")
        what = ", ".join(filter(None, where))
        return f"the candidate for {what}: no {self.study.tune.metric} of {missing}"

    def _backbone(self, cell: Cell) -> Cell | None:
        """Returns the pre-training that a cell starts from."""
        if cell.stage == "pretrain" or self.study.arms[cell.arm] is None:
            return None
        return Cell("pretrain", cell.arm, cell.seed)

    def find_changed(self) -> None:
        """Finds cells that were run with other settings than planned now.

        Raises:
            ValueError: the configuration of a cell cannot be read.
        """
        self.changed = {}
        for stage in STAGES:  # in order: changed candidates do not count for the choice
            begun = [
                cell
                for cell in self.cells(stage)
                if not self.is_open(cell) and (self.folder / cell.folder / CONFIG).is_file()
            ]
            doubts = {cell: [doubt] for cell in begun if (doubt := self._doubt(cell))}
            self.changed |= doubts | self._differences(begun)

    def _differences(self, cells: Sequence[Cell]) -> dict[Cell, list[str]]:
        """Returns "key: before -> now" for each stored value that differs from the plan.

        The plan takes the stored `paths`, as folders may have moved.
        """
        saved = {cell: read_json(self.folder / cell.folder / CONFIG) for cell in cells}
        planned = planned_configs(
            {
                cell: (self.grid.overrides(Batch.of(cell)), config.get("paths", {}))
                for cell, config in saved.items()
            }
        )
        found = {cell: changes(config, planned[cell]) for cell, config in saved.items()}
        return {cell: lines for cell, lines in found.items() if lines}

    def _doubt(self, cell: Cell) -> str:
        """Returns why a cell cannot have started from the current backbone, or ""."""
        backbone, started = self._backbone(cell), self._started(cell)
        if backbone is None or started is None:
            return ""
        if not self.is_finished(backbone):
            return f"its {backbone.folder} is missing or has other settings"
        start = self.folder / backbone.folder / RESULTS
        is_older = started < start.stat().st_mtime_ns
        return f"its {backbone.folder} was run again since" if is_older else ""

    def _started(self, cell: Cell) -> int | None:
        """Returns when a cell had its backbone at the latest, in ns; None if it has none yet.

        A run copies its backbone and resumes with the copy.
        """
        files = [self.folder / cell.folder / name for name in (BACKBONE, RESULTS)]
        return min((file.stat().st_mtime_ns for file in files if file.is_file()), default=None)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        ValueError: the file is corrupt or missing.
    """
    try:
        return read_json_object(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); delete its folder") from None


def number(results: Mapping[str, Any], name: str, *, source: Path) -> tuple[float | None, str]:
    """Returns a number of a results.json and "", or None and the reason in the file.

    Args:
        results: the content of the file.
        name: the key.
        source: the file, for messages.

    Raises:
        ValueError: the file has no such key, or no finite number there.
    """
    if name not in results:
        raise ValueError(f"{source} has no {name}{did_you_mean(nearest(name, results))}")
    value = results[name]
    if value is None:
        return None, str(results.get(f"{name}_reason", "null"))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{source}: {name} is {value!r}, not a finite number")
    return float(value), ""
