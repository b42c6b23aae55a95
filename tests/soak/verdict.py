"""The result of a soak: a table of its kills, the repeated steps, and the verdict."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kills import KINDS, Kill, Soaked
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_MAX_SHOWN = 10  # differences
# Where a start was killed, by its last step: evaluations count as the stage before them.
_PLACES = ("start-up", "pretrain", "finetune")


class Step(NamedTuple):
    """A training step that began; `batch` counts from 0 over all epochs."""

    pid: int
    stage: str
    batch: int


def read_steps(path: Path) -> list[Step]:
    """Reads the lines of counted_train.py."""
    if not path.exists():
        return []
    words = (line.split() for line in path.read_text().splitlines())
    return [Step(int(pid), stage, int(batch)) for pid, stage, batch in words]


def repeated_steps(steps: Sequence[Step]) -> dict[int, int]:
    """Returns {pid: how many of its steps the next process repeated}."""
    repeated: dict[int, int] = {}
    for last, first in itertools.pairwise(steps):
        if last.pid != first.pid:
            again = last.batch + 1 - first.batch if last.stage == first.stage else 0
            repeated[last.pid] = max(0, again)
    return repeated


@dataclass(frozen=True)
class Verdict:
    """An undisturbed run, and the same run killed.

    Args:
        soaked: the kills.
        whole: steps of the undisturbed run.
        killed: steps of the killed run.
        differences: where the two runs differ.
    """

    soaked: Soaked
    whole: Sequence[Step]
    killed: Sequence[Step]
    differences: Sequence[str]

    @property
    def wrong_codes(self) -> list[Kill]:
        """The starts with a wrong exit code; before the first step any code is right."""
        return [
            kill
            for kill in self.soaked.kills
            if self.place(kill) != _PLACES[0]
            and kill.code not in kill.kind.codes
            and not kill.finished
        ]

    @property
    def is_good(self) -> bool:
        """Whether the killed run ended with the same bits and the right exit codes."""
        return not self.differences and not self.wrong_codes and bool(self.soaked.kills)

    def place(self, kill: Kill) -> str:
        """Returns where a start was when it was killed."""
        begun = [step.stage for step in self.killed if step.pid == kill.pid]
        return begun[-1] if begun else _PLACES[0]

    def as_json(self) -> dict[str, Any]:
        """Returns everything as plain values."""
        repeated = repeated_steps(self.killed)
        return {
            "kills": [
                {
                    "kind": kill.kind.name,
                    "place": self.place(kill),
                    "after_seconds": round(kill.after, 2),
                    "code": kill.code,
                    "steps_redone": repeated.get(kill.pid, 0),
                    "progress": kill.progress,
                }
                for kill in self.soaked.kills
            ],
            "seconds": round(self.soaked.seconds, 1),
            "stretch": self.soaked.stretch,
            "steps": len(self.whole),
            "steps_of_the_killed": len(self.killed),
            "largest_checkpoint_bytes": self.soaked.largest,
            "most_files_in_a_checkpoint_folder": self.soaked.most_files,
            "wrong_codes": [[kill.kind.name, kill.code] for kill in self.wrong_codes],
            "differences": list(self.differences),
        }


def print_verdict(verdict: Verdict, console: Console | None = None) -> None:
    """Prints the table of kills, the figures and the verdict.

    Args:
        verdict: the result.
        console: where to; None for stdout.
    """
    console = console or Console()
    console.print(_table(verdict))
    for line in [*_figures(verdict), *_conclusion(verdict)]:
        console.print(escape(line), soft_wrap=True)


def _table(verdict: Verdict) -> Table:
    """Kills by kind and place, and the steps that were repeated after them."""
    repeated, kills = repeated_steps(verdict.killed), verdict.soaked.kills
    table = Table("kills", *_PLACES, "all", "steps repeated")
    for kind in KINDS:
        own = [kill for kill in kills if kill.kind == kind]
        places = [verdict.place(kill) for kill in own]
        counts = [*map(places.count, _PLACES), len(own)]
        table.add_row(kind.name, *map(str, counts), str(sum(repeated.get(k.pid, 0) for k in own)))
    return table


def _figures(verdict: Verdict) -> list[str]:
    soaked = verdict.soaked
    stuck = sum(not kill.progress for kill in soaked.kills)
    lines = [
        f"{len(soaked.kills)} kills in {soaked.seconds / 60:.1f} min; {len(verdict.whole)} steps, "
        f"{len(verdict.killed)} with the repeated ones",
        f"largest checkpoint: {soaked.largest / 1e6:.1f} MB, at most {soaked.most_files} files in "
        "a folder of checkpoints",
    ]
    if stuck:
        lines.append(
            f"{stuck} starts made no progress before they were killed; the intervals (--every) "
            f"were lengthened by a factor of up to {soaked.stretch:.1f}"
        )
    return lines


def _conclusion(verdict: Verdict) -> list[str]:
    lines = [f"{kill.kind.name} ended with {kill.code}" for kill in verdict.wrong_codes]
    lines += verdict.differences[:_MAX_SHOWN]
    if len(verdict.differences) > _MAX_SHOWN:
        lines.append(f"and {len(verdict.differences) - _MAX_SHOWN} more differences")
    if not verdict.soaked.kills:
        return [*lines, "never killed: the run finished before; make it longer"]
    result = "the same bits" if not verdict.differences else "NOT the same bits"
    return [*lines, f"{result}: weights, optimizers, curves, results"]
