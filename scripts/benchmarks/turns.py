"""Ways to train take turns: how long a turn lasts, how it is timed, and how many there are."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

_WINDOWS = 2  # timed ones of a turn; one more before them warms up
_FIRST = 0.75  # share of the time after which the first round begins no other way
NO_TIME = "no time left"


class TurnOverError(Exception):
    """A turn has enough steps: ends the loop that makes them."""


class Measured(NamedTuple):
    """What a turn found."""

    images_per_second: float
    meters: dict[str, float]  # of the way itself, means over the timed windows


class Stopwatch:
    """Times windows of `steps` steps each; the first one, in which queues fill, is not counted.

    Args:
        steps: of a window.
        images: of a step, all views.
    """

    def __init__(self, steps: int, images: int) -> None:
        self.steps = steps
        self.images = images
        self._marks: list[float] = []
        self._meters: list[Mapping[str, float]] = []

    def step(self, number: int, meters: Mapping[str, float] | None = None) -> None:
        """Marks the time at the end of a window; no-op at the other steps.

        Args:
            number: steps so far. The device must have finished them.
            meters: numbers of the way itself since the last window.

        Raises:
            TurnOverError: it was the last window.
        """
        if number % self.steps:
            return
        self._marks.append(time.perf_counter())
        self._meters.append(meters or {})
        if len(self._marks) > _WINDOWS:
            raise TurnOverError

    @property
    def least(self) -> int:
        """Steps of a turn."""
        return self.steps * (_WINDOWS + 1)

    def measured(self) -> Measured:
        """Returns the rate of the timed windows."""
        seconds = self._marks[-1] - self._marks[0]
        timed = self._meters[1:]
        known = set(timed[0]).intersection(*timed[1:])
        meters = {name: float(np.mean([own[name] for own in timed])) for name in sorted(known)}
        return Measured(self.images * self.steps * _WINDOWS / seconds, meters)


Way = Callable[[], Measured]  # takes one turn
Found = dict[str, list[Measured]]


def take_turns(
    ways: Mapping[str, Callable[[], Way]], *, rounds: int, until: float
) -> tuple[Found, dict[str, str]]:
    """Lets each way take one turn a round. A way that fails is left out, with its error.

    Args:
        ways: makers of ways, the most important first.
        rounds: the most.
        until: value of `time.monotonic` after which no turn begins.

    Returns:
        The turns of each way, the n-th in the n-th round, and why the others were left out.
    """
    start = time.monotonic()
    found, left_out, made = Found(), dict[str, str](), dict[str, Way]()
    for number in range(rounds):
        last = until if number else start + _FIRST * (until - start)
        for name, make in ways.items():
            if name in left_out:
                continue
            if time.monotonic() > last:
                if number:
                    return found, left_out
                left_out[name] = NO_TIME
                continue
            try:
                if name not in made:
                    made[name] = make()
                found.setdefault(name, []).append(made[name]())
            except Exception as error:
                left_out[name] = f"{type(error).__name__}: {error}"
                found.pop(name, None)
    return found, left_out
