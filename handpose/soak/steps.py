"""Which training steps the processes of a run have begun."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """One that was begun, by the process `pid`; `batch` counts those of all epochs from 0."""

    pid: int
    stage: str
    batch: int

    def as_line(self) -> str:
        return f"{self.pid} {self.stage} {self.batch}\n"


def read_steps(path: Path) -> list[Step]:
    """From a file of such lines, in the order in which they were begun."""
    if not path.exists():
        return []
    words = (line.split() for line in path.read_text().splitlines())
    return [Step(int(pid), stage, int(batch)) for pid, stage, batch in words]


def steps_redone(steps: Sequence[Step]) -> dict[int, int]:
    """How many steps of each process were begun once more by the next one.

    Args:
        steps: of processes that followed each other.
    """
    redone: dict[int, int] = {}
    for last, first in itertools.pairwise(steps):
        if last.pid != first.pid:
            again = last.batch + 1 - first.batch if last.stage == first.stage else 0
            redone[last.pid] = max(0, again)
    return redone
