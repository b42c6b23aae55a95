"""What the user asked of the doctor, and the commands that advice is given in."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from handpose.data.base import Split


class Request(NamedTuple):
    """A command line of the doctor's."""

    overrides: Sequence[str]  # as for train.py
    out: Path  # the folder of the page
    quarantine: Path | None = None  # where to list what is bad
    debug: bool = False  # trainer=debug: another split stands in for a missing one
    reference_bone: str = "index"
    has_head: bool = True  # a run is fine-tuned and evaluated after pre-training
    evaluated: Split = "test"  # on which split

    def with_overrides(self, *more: str) -> "Request":
        """The same with other overrides, which replace those of the same keys."""
        replaced = {_key(override) for override in more}
        kept = [override for override in self.overrides if _key(override) not in replaced]
        return self._replace(overrides=[*kept, *more])

    def train(self, *more: str) -> str:
        """The training of the same overrides, and of some more."""
        return shlex.join(["python", "train.py", *self.with_overrides(*more).overrides])

    def doctor(self, *options: str) -> str:
        """The doctor again, with these options."""
        return shlex.join(["python", "scripts/doctor.py", *self.overrides, *options])


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")
