"""How much of a run is done, and how long the rest of it takes.

Work is counted in images through the network. One that is trained on counts as three: the backward
pass takes about twice as long as the forward pass.

How far a run is: lines in its log with the time that is left, and bars on a terminal.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import Progress

from handpose.progress import bars, clock, tell

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


_LEAST_MEASURED = 5.0  # seconds, before the length of the run is told
_REFRESH = 1.0  # seconds between two states of a bar


class RunLog:
    """Tells of a run as a whole.

    Args:
        work: see `Estimate`.
        every_seconds: at least one line in so many.
    """

    def __init__(self, work: Mapping[str, float], *, every_seconds: float) -> None:
        self.estimate = Estimate(work)
        self.every_seconds = every_seconds
        self._start = self._told = self._drawn = time.monotonic()
        self._is_length_told = False
        self._bars: Progress | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows two bars within, of the stage and of the run, if this is a terminal."""
        with bars() as self._bars:
            if self._bars is not None:
                self._bars.add_task("starting", total=None, text="")
                self._bars.add_task("whole run", total=1.0, text="")
            try:
                yield
            finally:
                self._bars = None

    def is_line_due(self) -> bool:
        """Whether the last line is old enough."""
        return time.monotonic() - self._told >= self.every_seconds

    def is_bar_due(self) -> bool:
        """Whether there are bars, and what they show is old enough."""
        return self._bars is not None and time.monotonic() - self._drawn >= _REFRESH

    def line(self, text: str, *, is_in_bars: bool = False) -> None:
        """Logs `text` with the time that the run took, and is still to take."""
        left = self.estimate.seconds_left()
        elapsed = time.monotonic() - self._start
        if not self._is_length_told and self.estimate.measured_seconds >= _LEAST_MEASURED:
            self._is_length_told = True
            tell(f"estimated time of the whole run: {clock(elapsed + (left or 0.0))}")
        tell(f"{text}, elapsed {clock(elapsed)}, ETA {clock(left)}", is_in_bars=is_in_bars)
        self._told = time.monotonic()

    def bar(self, name: str, done: int, total: int, text: str = "") -> None:
        """Draws the bar of a stage, and that of the run."""
        if self._bars is None:
            return
        self._drawn = time.monotonic()
        stage, run = self._bars.task_ids
        left = clock(self.estimate.seconds_left())
        self._bars.update(
            stage, description=name, completed=done, total=total, text=f"{done}/{total}{text}"
        )
        self._bars.update(
            run,
            completed=self.estimate.done,
            text=f"elapsed {clock(self._drawn - self._start)}, ETA {left}",
        )
