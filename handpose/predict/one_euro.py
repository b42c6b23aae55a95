"""The One Euro filter: a low-pass whose cutoff rises with speed.

Casiez, Roussel and Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012, algorithm 1. At rest it removes jitter, in motion it lags little.
"""

import math

import numpy as np


class OneEuroFilter:
    """Smooths an array of any shape over time, each number for itself.

    Args:
        min_cutoff: cutoff frequency at rest, in hertz; lower is smoother.
        beta: how fast the cutoff rises with speed; higher lags less. Its unit is 1 / the values'.
        derivative_cutoff: cutoff frequency of the speed, in hertz.
    """

    def __init__(
        self, *, min_cutoff: float = 1.0, beta: float = 0.0, derivative_cutoff: float = 1.0
    ) -> None:
        self.min_cutoff = min_cutoff
        self.beta = beta
        self.derivative_cutoff = derivative_cutoff
        self._last: tuple[float, np.ndarray, np.ndarray] | None = None  # time, values, speeds

    def __call__(self, values: np.ndarray, time: float) -> np.ndarray:
        """Returns the smoothed values.

        Args:
            values: of any shape, always the same.
            time: in seconds; a time that is not later than the last one changes nothing.
        """
        if self._last is None:
            self._last = (time, values, np.zeros_like(values))
            return values
        before, smooth, speed = self._last
        period = time - before
        if period <= 0:
            return smooth
        own = (values - smooth) / period
        speed = speed + _weight(self.derivative_cutoff, period) * (own - speed)
        cutoff = self.min_cutoff + self.beta * np.abs(speed)
        smooth = smooth + _weight(cutoff, period) * (values - smooth)
        self._last = (time, smooth, speed)
        return smooth


def _weight(cutoff: float | np.ndarray, period: float) -> float | np.ndarray:
    """Returns the share of a new value: alpha = 1 / (1 + tau / T), tau = 1 / (2 pi cutoff)."""
    ratio = 2 * math.pi * cutoff * period
    return ratio / (1 + ratio)
