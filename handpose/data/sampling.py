"""Samples and their order as functions of (seed, epoch), so that a restart repeats them."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from handpose.data.base import Strata
from handpose.data.subsets import share

_LARGEST_WORD = 2**32 - 1
_LEAST = 2  # identities: BatchNorm has no statistics of a single sample


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields (time, index): the sample, and how often it was drawn before.

    In training, an epoch has `length` shuffled samples. Every stratum has its share of them, and
    uses all its samples before it repeats one. Otherwise every index occurs once, at time 0, so
    that every validation has the same samples.

    Each of W processes takes every W-th training sample: W batches of size b equal one batch of
    size W b of a single process. Outside training, every process takes all samples.

    Lightning calls `set_epoch` before each epoch.

    Args:
        strata: (samples, weight) of each source, in the order of the indices.
        seed: with the epoch, determines the order.
        shuffle: whether this is training.
        mixed: outside training, use a random order, the same for every seed, so that a batch has
            no neighbouring frames; False: in order.
        length: samples of a training epoch; None for the number of samples.
        is_repeated: whether every training epoch has the samples of the first, in their order.
        rank: of this process.
        num_ranks: number of processes.
    """

    def __init__(
        self,
        *,
        strata: Strata,
        seed: int,
        shuffle: bool,
        mixed: bool = False,
        length: int | None = None,
        is_repeated: bool = False,
        rank: int = 0,
        num_ranks: int = 1,
    ) -> None:
        self.strata = strata
        self.rank = rank
        self.num_ranks = num_ranks
        self.length = (shuffle and length) or sum(count for count, _ in strata)
        self.seed = seed
        self.shuffle = shuffle
        self.mixed = mixed
        self.is_repeated = is_repeated
        self.epoch = 0
        self._start = (0, 0)

    def start_at(self, *, epoch: int, sample: int) -> None:
        """Skip samples that a resumed run has already seen.

        Args:
            sample: number of samples of that epoch to skip.
        """
        self._start = (epoch, sample)
        self.set_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of this epoch."""
        self.epoch = epoch if self.shuffle else 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        if not self.shuffle:
            indices = np.arange(self.length)
            order = np.random.default_rng(0).permutation(indices) if self.mixed else indices
            return iter((0, index) for index in order.tolist())
        shares, epoch = enumerate(quotas(self.strata, self.length)), self._drawn_epoch
        draws = np.concatenate([self._draws(place, quota) for place, quota in shares])
        order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
        first = self._start[1] if self.epoch == self._start[0] else 0
        own = order[self.rank :: self.num_ranks][first : len(self)]
        return iter((time, index) for time, index in draws[own].tolist())

    @property
    def _drawn_epoch(self) -> int:
        return 0 if self.is_repeated else self.epoch

    def _draws(self, place: int, quota: int) -> np.ndarray:
        """Return (quota, 2) of (time, index): a stratum's part of this epoch."""
        count, first = self.strata[place][0], sum(count for count, _ in self.strata[:place])
        if quota == 0:
            return np.empty((0, 2), dtype=np.int64)
        start = self._drawn_epoch * quota
        times, places = np.divmod(np.arange(start, start + quota), count)
        if quota != count:
            for time in np.unique(times):
                shuffled = np.random.default_rng([self.seed, place, int(time)]).permutation(count)
                places[times == time] = shuffled[places[times == time]]
        return np.stack((times, first + places), axis=1)

    def __len__(self) -> int:
        """Return the number of samples of each process."""
        return self.length // self.num_ranks if self.shuffle else self.length


def quotas(strata: Strata, total: int) -> list[int]:
    """Divide an epoch among strata by weight and largest remainder; an empty stratum gives none.

    Args:
        strata: (samples, weight) of each.
        total: samples of the epoch.
    """
    weights = np.array([weight if count else 0.0 for count, weight in strata])
    exact = total * weights / weights.sum()
    whole = np.floor(exact).astype(int)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return whole.tolist()


def sample_rng(seed: int, time: int, index: int) -> np.random.Generator:
    """Return the random generator of a sample.

    Args:
        time: how often the sample was drawn before.
    """
    words = [seed, time, index]
    # An array of words takes half the time of a list, and gives the same generator.
    entropy = np.array(words, np.uint32) if max(words) <= _LARGEST_WORD else words
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def choose_labelled(identities: np.ndarray, *, fraction: float, seed: int) -> np.ndarray:
    """Choose the labelled part of a split by identities; return ascending indices (M,).

    Args:
        identities: (N,) int64, of each sample.
        fraction: of the identities, on average; a smaller one gives a subset for the same seed.
        seed: of the choice (see `subsets.share`).
    """
    chosen = share(identities, fraction=fraction, seed=seed, at_least=_LEAST)
    return np.flatnonzero(chosen)
