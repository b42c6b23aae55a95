"""Subsets that one more or one less number does not draw anew."""

import itertools

import numpy as np
import pytest

from handpose.data.subsets import cut, first, lots, number_of, occurrence, share

NUMBERS = np.random.default_rng(0).integers(0, 1 << 48, 4000)


def test_a_lot_is_of_its_number_and_the_seed_alone() -> None:
    whole = lots(NUMBERS, seed=1)
    assert np.array_equal(lots(NUMBERS[7:8], seed=1), whole[7:8])
    assert np.array_equal(lots(NUMBERS[::-1], seed=1), whole[::-1])
    assert not np.isin(lots(NUMBERS, seed=2), whole).any()
    rows = np.stack((NUMBERS, NUMBERS + 1), axis=1)
    assert lots(rows[3:4], seed=1)[0] == lots(rows, seed=1)[3] != whole[3]


def test_lots_are_uniform() -> None:
    whole = np.sort(lots(NUMBERS, seed=1))
    assert (whole >= 0).all()
    assert (whole < 1).all()
    # Kolmogorov and Smirnov: 1.63 / sqrt(N) is exceeded by one uniform sample in a hundred
    assert np.abs(whole - np.arange(len(whole)) / len(whole)).max() < 1.63 / np.sqrt(len(whole))


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5])
def test_leaving_one_out_or_adding_one_moves_no_other(fraction: float) -> None:
    held = cut(NUMBERS, fraction=fraction, seed=3)
    assert held.mean() == pytest.approx(fraction, abs=4 * np.sqrt(fraction / len(NUMBERS)))
    for place in range(0, len(NUMBERS), 500):
        others = np.delete(NUMBERS, place)
        assert np.array_equal(cut(others, fraction=fraction, seed=3), np.delete(held, place))
    more = cut(np.append(NUMBERS, 5), fraction=fraction, seed=3)
    assert np.array_equal(more[:-1], held)


def test_equal_numbers_go_together_and_shares_are_nested() -> None:
    repeated = np.repeat(NUMBERS, 3)
    shares = [share(repeated, fraction=f, seed=3, at_least=1) for f in (0.0, 0.01, 0.1, 1.0)]
    assert [bool(chosen.any()) for chosen in shares] == [False, True, True, True]
    assert shares[-1].all()
    for smaller, larger in itertools.pairwise(shares):
        assert (larger | ~smaller).all()
        assert np.array_equal(larger.reshape(-1, 3).any(1), larger.reshape(-1, 3).all(1))


def test_a_few_numbers_fill_both_sides() -> None:
    few = np.arange(3)
    order = np.argsort(lots(few, seed=0))
    assert np.flatnonzero(share(few, fraction=1e-9, seed=0, at_least=2)).tolist() == sorted(
        order[:2].tolist()
    )
    assert np.flatnonzero(cut(few, fraction=1e-9, seed=0)).tolist() == order[:1].tolist()
    assert np.flatnonzero(~cut(few, fraction=1 - 1e-9, seed=0)).tolist() == order[2:].tolist()
    assert cut(np.zeros(5, dtype=int), fraction=0.5, seed=0).tolist() == [False] * 5
    assert not cut(few, fraction=0.0, seed=0).any()
    assert cut(few[:0], fraction=0.1, seed=0).shape == (0,)


def test_so_many_are_those_of_the_smallest_lots() -> None:
    places = first(NUMBERS, 100, seed=4)
    assert set(places) == set(np.argsort(lots(NUMBERS, seed=4))[:100])
    assert (np.diff(places) > 0).all()
    without = first(np.delete(NUMBERS, places[0]), 100, seed=4)
    kept = set(NUMBERS[places]) & set(np.delete(NUMBERS, places[0])[without])
    assert len(kept) == 99
    assert first(NUMBERS[:3], 100, seed=4).tolist() == [0, 1, 2]


def test_names_and_occurrences() -> None:
    assert number_of("a") == number_of("a") != number_of("b")
    assert 0 <= number_of("\udcff.jpg") < 1 << 52  # a name that is not UTF-8
    assert occurrence(np.array([7, 3, 7, 7, 3])).tolist() == [0, 0, 1, 2, 1]
