"""What a soak came to: a table of its kills, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handpose.soak.kills import KINDS, Kill, Soaked
from handpose.soak.steps import Step, steps_redone

_SHOWN = 10  # differences
# Where a start was by its last step: evaluations count as the stage before them.
_PLACES = ("start-up", "pretrain", "finetune")


@dataclass(frozen=True)
class Findings:
    """Of a run in peace and the same run killed.

    Attributes:
        soaked: what was done to the killed one.
        whole, killed: the steps that each began.
        differences: where they differ in the end.
    """

    soaked: Soaked
    whole: Sequence[Step]
    killed: Sequence[Step]
    differences: Sequence[str]

    @property
    def wrong_codes(self) -> list[Kill]:
        """The starts that left otherwise than they should; before the first step any way is."""
        return [
            kill
            for kill in self.soaked.kills
            if self.place(kill) != _PLACES[0]
            and kill.code not in kill.kind.codes
            and not kill.finished
        ]

    @property
    def is_good(self) -> bool:
        """Whether the killed run ended in the same bits, and left as it was told to."""
        return not self.differences and not self.wrong_codes and bool(self.soaked.kills)

    def place(self, kill: Kill) -> str:
        """Where a start was when it was killed."""
        begun = [step.stage for step in self.killed if step.pid == kill.pid]
        return begun[-1] if begun else _PLACES[0]

    def as_json(self) -> dict[str, Any]:
        """Everything, in plain values."""
        redone = steps_redone(self.killed)
        return {
            "kills": [
                {
                    "kind": kill.kind.name,
                    "place": self.place(kill),
                    "after_seconds": round(kill.after, 2),
                    "code": kill.code,
                    "steps_redone": redone.get(kill.pid, 0),
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


def print_findings(findings: Findings, console: Console | None = None) -> None:
    """The table, the figures and the verdict."""
    console = console or Console()
    console.print(_table(findings))
    for line in [*_figures(findings), *_verdict(findings)]:
        console.print(escape(line), soft_wrap=True)


def _table(findings: Findings) -> Table:
    """Kills by kind and place, and the steps that were done again after them."""
    redone, kills = steps_redone(findings.killed), findings.soaked.kills
    table = Table("kills", *_PLACES, "all", "steps redone")
    for kind in KINDS:
        own = [kill for kill in kills if kill.kind == kind]
        places = [findings.place(kill) for kill in own]
        counts = [*map(places.count, _PLACES), len(own)]
        table.add_row(kind.name, *map(str, counts), str(sum(redone.get(k.pid, 0) for k in own)))
    return table


def _figures(findings: Findings) -> list[str]:
    soaked = findings.soaked
    stuck = sum(not kill.progress for kill in soaked.kills)
    lines = [
        f"{len(soaked.kills)} kills in {soaked.seconds / 60:.1f} min; {len(findings.whole)} steps, "
        f"{len(findings.killed)} with those begun again",
        f"checkpoints of at most {soaked.largest / 1e6:.1f} MB, at most {soaked.most_files} files "
        "in a folder of them",
    ]
    if stuck:
        lines.append(
            f"{stuck} starts were killed before they reached anything; so the intervals (--every) "
            f"were lengthened, by {soaked.stretch:.1f} at most"
        )
    return lines


def _verdict(findings: Findings) -> list[str]:
    lines = [f"{kill.kind.name} ended with {kill.code}" for kill in findings.wrong_codes]
    lines += findings.differences[:_SHOWN]
    if len(findings.differences) > _SHOWN:
        lines.append(f"and {len(findings.differences) - _SHOWN} more differences")
    if not findings.soaked.kills:
        return [*lines, "not killed once: the run was over before; lengthen it"]
    verdict = "the same bits" if not findings.differences else "NOT the same bits"
    return [*lines, f"{verdict}: weights, optimizers, curves, results"]
