"""Progress of a run: log lines with the remaining time, and bars on a terminal.

Work is counted in images through the network. A training image counts as three, since the backward
pass takes about twice as long as the forward pass.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.progress import Progress

from handpose.progress import bars, clock, tell

TRAINED = 3.0


class Estimate:
    """Estimate the remaining time from the work of each stage and the measured speed.

    A stage that has not started is assumed to be as fast as the last measured one.

    Args:
        work: images by stage, in order of execution.
    """

    def __init__(self, work: Mapping[str, float]) -> None:
        self._total = sum(work.values())
        self._left = dict(work)
        self._measured: dict[str, tuple[float, float]] = {}  # work, seconds

    def add(self, stage: str, work: float, seconds: float | None) -> None:
        """Count work as done.

        Args:
            stage: name of the stage.
            work: images.
            seconds: duration; None if it is not representative.
        """
        self._left[stage] = max(0.0, self._left.get(stage, 0.0) - work)
        if seconds is not None:
            before = self._measured.pop(stage, (0.0, 0.0))
            self._measured[stage] = (before[0] + work, before[1] + seconds)  # moved to the end

    def skip(self, stage: str, part: float) -> None:
        """Count a fraction of a stage, 0 to 1, as done by an earlier process.

        Args:
            stage: name of the stage.
            part: fraction of its work.
        """
        self._left[stage] = self._left.get(stage, 0.0) * (1 - part)

    def finish(self, stage: str) -> None:
        """Count a stage as done."""
        self._left[stage] = 0.0

    @property
    def done(self) -> float:
        """Fraction of the work that is done, 0 to 1."""
        return 1 - sum(self._left.values()) / self._total if self._total else 1.0

    @property
    def measured_seconds(self) -> float:
        """Seconds of measured work."""
        return sum(seconds for _, seconds in self._measured.values())

    def seconds_left(self) -> float | None:
        """Return the seconds to the end of the run; None before the first measurement."""
        if not self._measured:
            return None
        pace = {stage: seconds / work for stage, (work, seconds) in self._measured.items()}
        last = list(pace.values())[-1]
        return sum(left * pace.get(stage, last) for stage, left in self._left.items())


def num_images(batch: Any) -> int:
    """Count the images of a batch: crops of a `Target`, or views of all parts."""
    if isinstance(batch, dict):
        return sum(views.image.shape[0] * views.image.shape[1] for views in batch.values())
    return len(batch.image)


_LEAST_MEASURED = 5.0  # seconds of work before the total time is estimated
_REFRESH = 1.0  # seconds between two updates of a bar


class RunLog:
    """Log lines and bars of a run.

    Args:
        work: see `Estimate`.
        every_seconds: interval between two lines, in seconds.
        has_bars: whether a terminal shows bars.
    """

    def __init__(
        self, work: Mapping[str, float], *, every_seconds: float, has_bars: bool = True
    ) -> None:
        self.estimate = Estimate(work)
        self.every_seconds = every_seconds
        self.has_bars = has_bars
        self._start = self._told = self._drawn = time.monotonic()
        self._is_length_told = False
        self._bars: Progress | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show a bar for the stage and one for the run during the block, on a terminal only."""
        with bars() if self.has_bars else nullcontext() as self._bars:
            if self._bars is not None:
                self._bars.add_task("starting", total=None, text="")
                self._bars.add_task("whole run", total=1.0, text="")
            try:
                yield
            finally:
                self._bars = None

    def is_line_due(self) -> bool:
        """Return whether the next line is due."""
        return time.monotonic() - self._told >= self.every_seconds

    def is_bar_due(self) -> bool:
        """Return whether the bars exist and an update is due."""
        return self._bars is not None and time.monotonic() - self._drawn >= _REFRESH

    def line(self, text: str, *, is_in_bars: bool = False) -> None:
        """Log `text` with the elapsed and the remaining time.

        Args:
            text: start of the line.
            is_in_bars: whether the bars show the same.
        """
        left = self.estimate.seconds_left()
        elapsed = time.monotonic() - self._start
        if not self._is_length_told and self.estimate.measured_seconds >= _LEAST_MEASURED:
            self._is_length_told = True
            tell(f"estimated time of the whole run: {clock(elapsed + (left or 0.0))}")
        tell(f"{text}, elapsed {clock(elapsed)}, ETA {clock(left)}", is_in_bars=is_in_bars)
        self._told = time.monotonic()

    def bar(self, name: str, done: int, total: int, text: str = "") -> None:
        """Update both bars.

        Args:
            name: description of the stage.
            done: finished batches.
            total: all batches.
            text: shown after the counts.
        """
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
