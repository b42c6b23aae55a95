"""Subsets that do not change when a file is added or left out.

The lot of a number is a hash of the number and a seed. So a group stays on its side of a cut when
others are added. N numbers.
"""

import hashlib
import math

import numpy as np

_BYTES = 6  # of a hash: exact as float64, and below 2**52, the range that `Mix` gives a source


def number_of(name: str) -> int:
    """Return a number for a name, the same on every machine."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=_BYTES).digest()
    return int.from_bytes(digest, "little")


def lots(numbers: np.ndarray, *, seed: int) -> np.ndarray:
    """Draw lots (N,), float64 in [0, 1).

    Args:
        numbers: (N,) int64, or rows of numbers (N, C).
    """
    content = np.ascontiguousarray(numbers, dtype="<i8").tobytes()
    width, key = len(content) // max(1, len(numbers)), str(seed).encode()
    digests = (
        hashlib.blake2b(content[start : start + width], key=key, digest_size=_BYTES).digest()
        for start in range(0, len(content), width or 1)
    )
    whole = [int.from_bytes(digest, "little") for digest in digests]
    return np.array(whole, dtype=np.float64) / (1 << 8 * _BYTES)


def share(numbers: np.ndarray, *, fraction: float, seed: int, at_least: int) -> np.ndarray:
    """Select (N,) bool the numbers with a lot below `fraction`; equal numbers agree.

    Of M distinct numbers the share is `fraction` on average, with a standard deviation of
    sqrt(fraction (1 - fraction) / M).

    Args:
        numbers: (N,) int64.
        fraction: 0 to 1; a smaller share is a subset of a larger one of the same seed.
        at_least: lowest number of distinct numbers to select, those with the smallest lots.
    """
    if fraction >= 1:
        return np.ones(len(numbers), dtype=bool)
    unique, inverse = np.unique(numbers, return_inverse=True)
    lot = lots(unique, seed=seed)
    least = np.sort(lot)[: at_least if fraction else 0][-1:]
    return (lot < max([fraction, *np.nextafter(least, math.inf)]))[inverse]


def cut(groups: np.ndarray, *, fraction: float, seed: int) -> np.ndarray:
    """Select (N,) bool the samples whose group is held out.

    Of two or more groups, at least one is held out (unless `fraction` is 0) and one is not.

    Args:
        groups: (N,) int64, of each sample.
        fraction: of the groups, on average.
    """
    unique = np.unique(groups)
    kept = unique[lots(unique, seed=seed).argmax()] if len(unique) else None
    return share(groups, fraction=fraction, seed=seed, at_least=1) & (groups != kept)


def occurrence(numbers: np.ndarray) -> np.ndarray:
    """Return (N,) how many equal numbers come before each."""
    order = np.argsort(numbers, kind="stable")
    _, start, count = np.unique(numbers[order], return_index=True, return_counts=True)
    ranks = np.empty(len(numbers), dtype=np.int64)
    ranks[order] = np.arange(len(numbers)) - np.repeat(start, count)
    return ranks


def first(numbers: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Select the numbers with the smallest lots; return their places (M,), ascending.

    Args:
        numbers: (N,) or (N, C) int64.
        count: M, at most N.
    """
    return np.sort(np.argsort(lots(numbers, seed=seed), kind="stable")[:count])
