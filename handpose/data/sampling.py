"""Which samples, in which order: functions of (seed, epoch), so that a restart repeats them."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields (epoch, index): every index once, shuffled by (seed, epoch) or in order.

    Lightning calls `set_epoch` before each epoch. Without `shuffle` the epoch stays 0, so that
    validation sees the same samples in every epoch.
    """

    def __init__(self, *, length: int, seed: int, shuffle: bool) -> None:
        self.length = length
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the permutation of this epoch."""
        self.epoch = epoch if self.shuffle else 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        return iter((self.epoch, int(index)) for index in order)

    def __len__(self) -> int:
        return self.length


def sample_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The one source of randomness of a sample."""
    return np.random.default_rng(np.random.SeedSequence([seed, epoch, index]))


def choose_labelled(identities: np.ndarray, *, fraction: float, seed: int) -> np.ndarray:
    """Indices (M,) of the labelled part, in order: `fraction` of the identities, at least one.

    Identities come whole, and for one seed a smaller fraction lies inside a larger one.
    """
    unique = np.unique(identities)
    count = max(1, round(fraction * len(unique)))
    chosen = np.random.default_rng([seed, 1]).permutation(unique)[:count]
    return np.flatnonzero(np.isin(identities, chosen))
