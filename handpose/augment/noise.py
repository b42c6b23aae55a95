"""Noise of views: slices of one fixed bank of standard normal numbers.

No device can repeat NumPy's generator, but each can hold the bank, so a view's noise is the same
wherever it is added.
"""

import functools
from typing import TypeVar

import numpy as np

Seed = TypeVar("Seed", int, np.ndarray)  # of one view, or of several

# Slices begin at one of so many places. Two views share a slice once in a million pairs.
OFFSETS = 2**20
_SEED = 20_190_521
# Seeds have 31 bits. Their low bits are the grey of a cut-out, which the noise must not depend on.
_SHIFT = 31 - 20


@functools.cache
def noise_bank(size: int) -> np.ndarray:
    """Returns (OFFSETS + 3 S^2,) float32 standard normal numbers, read-only.

    NumPy promises the numbers of this generator for all its versions and machines. The bank of a
    small view is the beginning of that of a large one.

    Args:
        size: S of the view in px.
    """
    bank = np.random.RandomState(_SEED).standard_normal(OFFSETS + 3 * size * size)
    bank = bank.astype(np.float32)
    bank.flags.writeable = False
    return bank


def noise_offset(seed: Seed) -> Seed:
    """Returns where a view's noise begins in the bank, from its `noise_seed` in [0, 2^31)."""
    return seed >> _SHIFT


def unit_noise(seed: int, size: int) -> np.ndarray:
    """Returns a view's standard normal noise (S, S, 3) float32, a part of the bank.

    Args:
        seed: The view's `noise_seed`.
        size: S in px.
    """
    start = noise_offset(seed)
    return noise_bank(size)[start : start + 3 * size * size].reshape(size, size, 3)
