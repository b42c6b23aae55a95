"""Drawn subsets that stay the same when a file is added or left out.

The lot of a number is a hash of that number and a seed, so no other number changes it: a group
stays on its side of a cut whatever comes or goes beside it. N numbers.
"""

import hashlib
import math

import numpy as np

_BYTES = 6  # of a hash: exact as float64, and below 2**52, the room that `Mix` gives a source


def number_of(name: str) -> int:
    """A number that stands for a name, the same on every machine."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=_BYTES).digest()
    return int.from_bytes(digest, "little")


def lots(numbers: np.ndarray, *, seed: int) -> np.ndarray:
    """(N,) float64 in [0, 1) for int64 numbers (N,), or for rows of numbers (N, C)."""
    content = np.ascontiguousarray(numbers, dtype="<i8").tobytes()
    width, key = len(content) // max(1, len(numbers)), str(seed).encode()
    digests = (
        hashlib.blake2b(content[start : start + width], key=key, digest_size=_BYTES).digest()
        for start in range(0, len(content), width or 1)
    )
    whole = [int.from_bytes(digest, "little") for digest in digests]
    return np.array(whole, dtype=np.float64) / (1 << 8 * _BYTES)


def share(numbers: np.ndarray, *, fraction: float, seed: int, at_least: int) -> np.ndarray:
    """(N,) bool: whose lot is below `fraction`; equal numbers share one answer.

    Of M distinct numbers the share is `fraction` on average, with a standard deviation of
    sqrt(fraction (1 - fraction) / M).

    Args:
        numbers: (N,) int64.
        fraction: 0 to 1; a smaller share lies inside a larger one of the same seed.
        seed: of the lots.
        at_least: so many distinct numbers, those of the smallest lots, are taken in any case.
    """
    if fraction >= 1:
        return np.ones(len(numbers), dtype=bool)
    unique, inverse = np.unique(numbers, return_inverse=True)
    lot = lots(unique, seed=seed)
    least = np.sort(lot)[: at_least if fraction else 0][-1:]
    return (lot < max([fraction, *np.nextafter(least, math.inf)]))[inverse]


def cut(groups: np.ndarray, *, fraction: float, seed: int) -> np.ndarray:
    """(N,) bool: whose group is held out, `share` of them; of two groups or more neither all
    nor (unless `fraction` is 0) none.
    """
    unique = np.unique(groups)
    kept = unique[lots(unique, seed=seed).argmax()] if len(unique) else None
    return share(groups, fraction=fraction, seed=seed, at_least=1) & (groups != kept)


def occurrence(numbers: np.ndarray) -> np.ndarray:
    """(N,): how many equal numbers stand before each, so that with it every row is another."""
    order = np.argsort(numbers, kind="stable")
    _, start, count = np.unique(numbers[order], return_index=True, return_counts=True)
    ranks = np.empty(len(numbers), dtype=np.int64)
    ranks[order] = np.arange(len(numbers)) - np.repeat(start, count)
    return ranks


def first(numbers: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Places (min(count, N),), ascending, of the numbers (N,) or (N, C) with the smallest lots."""
    return np.sort(np.argsort(lots(numbers, seed=seed), kind="stable")[:count])
