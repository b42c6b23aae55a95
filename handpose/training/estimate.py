"""How much of a run is done, and how long the rest of it takes.

Work is counted in images through the network. One that is trained on counts as three: the backward
pass takes about twice as long as the forward pass.
"""

from collections.abc import Mapping
from typing import Any

TRAINED = 3.0


class Estimate:
    """The work of each stage, at the speed of what was done by this process.

    A stage that has not begun is taken to be as fast as the last one measured.

    Args:
        work: stage -> images, in the order in which they are done.
    """

    def __init__(self, work: Mapping[str, float]) -> None:
        self._total = sum(work.values())
        self._left = dict(work)
        self._measured: dict[str, tuple[float, float]] = {}  # work, seconds

    def add(self, stage: str, work: float, seconds: float | None) -> None:
        """Work is done; None for seconds that say nothing of the rest."""
        self._left[stage] = max(0.0, self._left.get(stage, 0.0) - work)
        if seconds is not None:
            before = self._measured.pop(stage, (0.0, 0.0))
            self._measured[stage] = (before[0] + work, before[1] + seconds)  # the last one

    def skip(self, stage: str, part: float) -> None:
        """A part of a stage, 0 to 1, was done by an earlier process."""
        self._left[stage] = self._left.get(stage, 0.0) * (1 - part)

    def finish(self, stage: str) -> None:
        """Nothing of a stage is left."""
        self._left[stage] = 0.0

    @property
    def done(self) -> float:
        """The part of the work that is done, 0 to 1."""
        return 1 - sum(self._left.values()) / self._total if self._total else 1.0

    @property
    def measured_seconds(self) -> float:
        """The time that the estimate is made from."""
        return sum(seconds for _, seconds in self._measured.values())

    def seconds_left(self) -> float | None:
        """Seconds to the end of the run; None as long as nothing was measured."""
        if not self._measured:
            return None
        pace = {stage: seconds / work for stage, (work, seconds) in self._measured.items()}
        last = list(pace.values())[-1]
        return sum(left * pace.get(stage, last) for stage, left in self._left.items())


def num_images(batch: Any) -> int:
    """Images of a batch: crops of a `Target`, views of all parts of a dict of `Views`."""
    if isinstance(batch, dict):
        return sum(views.image.shape[0] * views.image.shape[1] for views in batch.values())
    return len(batch.image)
