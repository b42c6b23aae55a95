"""The order in which the runs of a study start when several run at once.

Final runs come in order of their condition, then seed by seed, then by arm. So a study that is
stopped at any time has whole seeds of its first question. What a run needs comes right before the
first run that needs it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from handpose.study.run_grid import STAGES, Cell
from handpose.study.status import Status


def needs(status: Status, cell: Cell) -> list[Cell]:
    """Returns the runs that must be finished before a cell can start, directly.

    Args:
        status: the study.
        cell: one of its runs.
    """
    tune, found = status.study.tune, []
    if cell.stage != "pretrain" and status.study.arms[cell.arm] is not None:
        found.append(Cell("pretrain", cell.arm, cell.seed))
    if cell.stage == "runs" and tune is not None and cell.fraction is not None:
        place = cell.place._replace(fraction=tune.nearest(cell.fraction))
        tried = status.grid.cells("tune")
        found += [one for one in tried if (one.arm, one.place) == (cell.arm, place)]
    return found


def in_order(status: Status) -> list[Cell]:
    """Returns all runs of a study by priority; the candidates of final runs are still open."""
    seeds = status.study.seeds
    final = status.grid.cells("runs")
    conditions = list(dict.fromkeys(cell.condition for cell in final))
    final.sort(key=lambda c: (conditions.index(c.condition), seeds.index(c.seed)))
    others = [cell for stage in STAGES if stage != "runs" for cell in status.grid.cells(stage)]
    return list(dict.fromkeys(one for cell in final + others for one in _with_needs(status, cell)))


def _with_needs(status: Status, cell: Cell) -> Iterator[Cell]:
    for need in needs(status, cell):
        yield from _with_needs(status, need)
    yield cell


@dataclass
class Schedule:
    """The runs of a study that are still to start in this process, by priority.

    Attributes:
        status: the study.
        waiting: runs that have not been started here.
    """

    status: Status
    waiting: list[Cell] = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = [cell for cell in in_order(self.status) if not self._is_settled(cell)]

    def next(self) -> Cell | None:
        """Removes and returns the first run that can start now; None if all wait for others."""
        for place, waiting in enumerate(self.waiting):
            cell = self.with_choice(waiting)
            if cell not in self.status.changed and not self.status.waits_for(cell):
                del self.waiting[place]
                return cell
        return None

    def finish(self, cell: Cell) -> None:
        """Compares finished runs with the plan again if a run that they need was made anew.

        Args:
            cell: the run that has ended.
        """
        if cell.stage == "runs":
            return
        folder = self.status.folder
        later = [one for stage in STAGES for one in self.status.grid.cells(stage)]
        if any((folder / c.folder).exists() and cell in needs(self.status, c) for c in later):
            self.status.find_changed()

    def with_choice(self, cell: Cell) -> Cell:
        """Returns a final run with the candidate that is chosen so far."""
        if cell.stage != "runs":
            return cell
        return cell._replace(candidate=self.status.chosen(cell))

    def _is_settled(self, cell: Cell) -> bool:
        chosen = self.with_choice(cell)
        return self.status.is_finished(chosen) or chosen in self.status.changed
