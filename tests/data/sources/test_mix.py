"""Several sources as one: shares of an epoch, order, and what a mix does not touch."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from handpose.data.base import HandDataset, MissingSplitError, Strata
from handpose.data.sampling import EpochSampler, quotas
from handpose.data.sources.mix import Mix
from handpose.records import Sample


class Numbers(HandDataset):
    """`count` samples that are but their places."""

    name = "numbers"

    def __init__(self, *, count: int, **contract: Any) -> None:
        super().__init__(**contract)
        if self.split == "test" and count == 3:
            raise MissingSplitError("three has no test split")
        self.count = count if self.max_samples is None else min(count, self.max_samples)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return (self.count, index)  # type: ignore[return-value]

    @property
    def identities(self) -> np.ndarray:
        return np.arange(self.count)

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        chosen = np.arange(self.count) if indices is None else indices
        return np.tile((1000 * self.count + chosen)[:, None, None], (1, 21, 3))


@pytest.fixture
def mix() -> Callable[..., Mix]:
    def make(split: str = "train", **settings: Any) -> Mix:
        parts = {
            name: lambda count=count, **contract: Numbers(count=count, **contract)
            for name, count in (("three", 3), ("ten", 10), ("hundred", 100))
        }
        given = dict(parts=parts, sources=["three", "ten", "hundred"], weights=None, split=split)
        return Mix(**given | dict(image_size=32) | settings)

    return make


def epochs(strata: Strata, number: int) -> list[list[tuple[int, int]]]:
    sampler = EpochSampler(strata=strata, seed=5, shuffle=True)
    orders = []
    for epoch in range(number):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    return orders


def test_every_place_is_its_own_sample(mix: Callable) -> None:
    whole = mix()
    assert len(whole) == 113
    assert [whole[i] for i in (0, 2, 3, 12, 13, 112)] == [
        (3, 0),
        (3, 2),
        (10, 0),
        (10, 9),
        (100, 0),
        (100, 99),
    ]
    assert len(np.unique(whole.identities)) == 113


def test_poses_are_those_of_the_chosen_places(mix: Callable) -> None:
    whole = mix()
    assert len(whole.poses()) == 113
    places = np.array([1, 2, 3, 12, 13, 112])
    assert whole.poses(places)[:, 0, 0].tolist() == [3001, 3002, 10000, 10009, 100000, 100099]
    assert len(whole.poses(np.array([4]))) == 1


def test_shares_are_equal_by_default_and_as_weighted_otherwise(mix: Callable) -> None:
    assert quotas(mix().strata, 113) == [38, 38, 37]
    assert quotas(mix(weights=[1, 1, 2]).strata, 113) == [28, 28, 57]
    assert quotas(((7, 1.0), (0, 5.0), (3, 1.0)), 10) == [5, 0, 5]
    (first, *_) = epochs(mix(weights=[1, 1, 2]).strata, 1)
    places = Counter(np.searchsorted([3, 13], index, side="right") for _, index in first)
    assert places == {0: 28, 1: 28, 2: 57}


def test_no_sample_comes_again_before_all_of_its_source_came(mix: Callable) -> None:
    drawn = [key for epoch in epochs(mix().strata, 9) for key in epoch]
    assert len(set(drawn)) == len(drawn), "a sample that comes again comes at another time"
    for low, high in ((0, 3), (3, 13), (13, 113)):
        counts = Counter(index for _, index in drawn if low <= index < high)
        assert len(counts) == high - low
        assert max(counts.values()) - min(counts.values()) <= 1


def test_the_order_is_a_function_of_seed_and_epoch(mix: Callable) -> None:
    strata = mix().strata
    assert epochs(strata, 2) == epochs(strata, 2)
    assert epochs(strata, 2)[0] != epochs(strata, 2)[1]


def test_one_source_in_a_mix_is_as_without(mix: Callable) -> None:
    alone = mix(sources=["hundred"])
    assert epochs(alone.strata, 3) == epochs(((100, 1.0),), 3)


def test_evaluation_is_everything_once_of_the_sources_that_have_it(mix: Callable) -> None:
    test = mix("test")
    assert len(test) == 110
    sampler = EpochSampler(strata=test.strata, seed=5, shuffle=False)
    assert list(sampler) == [(0, index) for index in range(110)]
    with pytest.raises(MissingSplitError, match="no source of the mix has a test split"):
        mix("test", sources=["three"])


def test_caps_are_shared(mix: Callable) -> None:
    assert [len(part) for part, _ in mix(max_samples=12).parts] == [3, 4, 4]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(sources=["three", "four"]), "name each of three, ten, hundred at most once"),
        (dict(sources=["ten", "ten"]), "at most once"),
        (dict(sources=[]), "at most once"),
        (dict(weights=[1, 2]), "a number above 0 for each"),
        (dict(weights=[1, 2, 0]), "a number above 0 for each"),
    ],
)
def test_what_does_not_fit_is_refused(mix: Callable, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mix(**settings)


def test_a_labelled_part_keeps_the_shares(mix: Callable, make_settings: Callable) -> None:
    from handpose.data.targets_dataset import TargetDataset

    targets = TargetDataset(
        mix(weights=[1, 1, 2]),
        make_settings(),
        reference_bone="index",
        seed=0,
        indices=np.array([1, 4, 5, 20, 30, 40]),
    )
    assert targets.strata == ((1, 1), (2, 1), (3, 2))
