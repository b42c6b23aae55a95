"""How far a run is: lines in its log with the time that is left, and bars on a terminal."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.progress import Progress

from handpose.progress import bars, clock, tell
from handpose.training.estimate import Estimate

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
