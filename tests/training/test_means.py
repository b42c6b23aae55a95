"""Means over an epoch, whatever interrupts it."""

from collections.abc import Callable

import pytest
import torch
from several_ranks import WORLD, mean_of_an_epoch

from handpose.training.monitors import EpochMeans

VALUES = (3.0, -1.0, torch.nan, 0.5, torch.inf, 7.25)
WEIGHTS = (8, 8, 8, 8, 8, 3)


def _added(means: EpochMeans, *places: int) -> EpochMeans:
    for place in places:
        values = {"loss": torch.tensor(VALUES[place]), "other": torch.tensor(1.0)}
        means.add(values, weight=WEIGHTS[place])
    return means


def test_they_are_weighted_and_of_finite_values() -> None:
    means = _added(EpochMeans(), *range(6)).take()
    known = [place for place in range(6) if place not in (2, 4)]
    expected = sum(VALUES[p] * WEIGHTS[p] for p in known) / sum(WEIGHTS[p] for p in known)
    assert float(means["loss"]) == pytest.approx(expected)
    assert float(means["other"]) == 1.0


def test_what_was_taken_is_not_counted_again() -> None:
    means = _added(EpochMeans(), 0, 1)
    means.take()
    assert float(_added(means, 5).take()["loss"]) == VALUES[5]


def test_they_go_on_from_what_was_saved_bit_for_bit() -> None:
    whole = _added(EpochMeans(), 0, 1, 3, 5).take()
    for cut in range(5):
        resumed = EpochMeans()
        resumed.load_state_dict(_added(EpochMeans(), *(0, 1, 3, 5)[:cut]).state_dict())
        assert _added(resumed, *(0, 1, 3, 5)[cut:]).take() == whole


def test_several_processes_go_on_bit_for_bit_too(two_ranks: Callable) -> None:
    """Each with its own sums: added up in another order, they are rounded otherwise."""
    losses = torch.rand(12, WORLD, generator=torch.Generator().manual_seed(0))
    whole = two_ranks(mean_of_an_epoch, losses, None)
    assert float(whole[0]) == pytest.approx(float(losses.mean()))
    for cut in range(1, 12):
        assert two_ranks(mean_of_an_epoch, losses, cut) == whole
