"""Order, subsets and randomness are functions of seed, epoch and index alone."""

import numpy as np
import pytest

from handpose.data.sampling import EpochSampler, choose_labelled, sample_rng


def test_epochs_are_different_permutations_that_repeat_for_a_seed() -> None:
    sampler = EpochSampler(strata=((50, 1.0),), seed=3, shuffle=True)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    assert orders[0] == orders[2] != orders[1]
    assert sorted(index for _, index in orders[1]) == list(range(50))
    assert {epoch for epoch, _ in orders[1]} == {1}
    other = EpochSampler(strata=((50, 1.0),), seed=4, shuffle=True)
    assert list(other) != orders[0]


def test_validation_is_in_order_and_stays_the_same() -> None:
    sampler = EpochSampler(strata=((5, 1.0),), seed=3, shuffle=False)
    sampler.set_epoch(7)
    assert list(sampler) == [(0, index) for index in range(5)]


def test_held_out_pairs_come_in_one_order_that_mixes_recordings() -> None:
    """In their own order a batch of 50 would hold one of the four recordings alone."""
    orders = []
    for seed in (3, 4):
        sampler = EpochSampler(strata=((400, 1.0),), seed=seed, shuffle=False, mixed=True)
        sampler.set_epoch(seed)
        orders.append(list(sampler))
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == [(0, index) for index in range(400)]
    recordings = np.array([index // 100 for _, index in orders[0]]).reshape(8, 50)
    assert all(len(np.unique(batch)) == 4 for batch in recordings)


@pytest.mark.parametrize("num_ranks", [2, 3])
def test_the_ranks_batches_are_together_those_of_one_process(num_ranks: int) -> None:
    whole = EpochSampler(strata=((50, 2.0), (30, 1.0)), seed=3, shuffle=True, length=61)
    shares = [
        EpochSampler(
            strata=whole.strata, seed=3, shuffle=True, length=61, rank=rank, num_ranks=num_ranks
        )
        for rank in range(num_ranks)
    ]
    batch = 4
    for epoch in (0, 1):
        for sampler in (whole, *shares):
            sampler.set_epoch(epoch)
        order, parts = list(whole), [list(share) for share in shares]
        assert {len(part) for part in parts} == {len(shares[0])} == {61 // num_ranks}
        for step in range(61 // (batch * num_ranks)):
            own = slice(step * batch, (step + 1) * batch)
            together = [draw for part in parts for draw in part[own]]
            start = step * batch * num_ranks
            assert set(together) == set(order[start : start + batch * num_ranks])
            assert len(set(together)) == batch * num_ranks
        alone = [draw for part in [order] * num_ranks for draw in part[:batch]]
        assert len(set(alone)) < batch * num_ranks  # each rank with the whole order: repeated


def test_every_rank_validates_on_every_sample() -> None:
    sampler = EpochSampler(strata=((5, 1.0),), seed=3, shuffle=False, rank=1, num_ranks=2)
    assert list(sampler) == [(0, index) for index in range(5)]
    assert len(sampler) == 5


def test_label_fractions_are_nested_and_keep_identities_whole() -> None:
    identities = np.arange(400) % 100  # 4 versions of each
    subsets = {f: choose_labelled(identities, fraction=f, seed=5) for f in (0.01, 0.05, 0.1, 1.0)}
    counts = [len(subset) for subset in subsets.values()]
    assert counts[0] == 8  # two identities at least
    assert counts[2] == pytest.approx(40, abs=4 * 3 * np.sqrt(100 * 0.1 * 0.9))
    assert counts[3] == 400
    smaller = [set(subset.tolist()) for subset in subsets.values()]
    assert smaller[0] < smaller[1] < smaller[2] < smaller[3]
    for subset in subsets.values():
        assert (np.bincount(identities[subset])[np.unique(identities[subset])] == 4).all()
    assert set(choose_labelled(identities, fraction=0.1, seed=6)) != smaller[2]


def test_an_identity_less_changes_the_label_of_no_other() -> None:
    identities = np.arange(2000) * 7
    chosen = set(identities[choose_labelled(identities, fraction=0.1, seed=5)])
    for place in range(0, 2000, 100):
        fewer = np.delete(identities, place)
        now = set(fewer[choose_labelled(fewer, fraction=0.1, seed=5)])
        assert now == chosen - {identities[place]}


def test_samples_draw_from_seed_epoch_and_index() -> None:
    draws = {sample_rng(*key).random() for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))}
    assert len(draws) == 4
    assert sample_rng(1, 2, 3).random() == sample_rng(1, 2, 3).random()


def test_repeated_epochs_are_the_first_and_resume_within_one() -> None:
    options = dict(strata=((50, 1.0),), seed=3, shuffle=True, is_repeated=True)
    sampler = EpochSampler(**options)
    orders = []
    for epoch in (0, 1, 5):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    assert orders[0] == orders[1] == orders[2]
    assert orders[0] == list(EpochSampler(strata=((50, 1.0),), seed=3, shuffle=True))
    resumed = EpochSampler(**options)
    resumed.start_at(epoch=5, sample=20)
    assert list(resumed) == orders[0][20:]
    resumed.set_epoch(6)
    assert list(resumed) == orders[0]
