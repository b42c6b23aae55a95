"""The time that a run still takes, from the pace of what is done."""

import pytest

from handpose.training.run_log import Estimate

WORK = {"pretrain": 600.0, "finetune": 300.0, "evaluate": 100.0}


def test_nothing_is_known_before_something_was_measured() -> None:
    estimate = Estimate(WORK)
    assert estimate.seconds_left() is None
    estimate.add("pretrain", 10, None)  # has waited for the workers
    assert estimate.seconds_left() is None
    assert estimate.done == pytest.approx(0.01)


def test_stages_that_have_not_begun_take_the_pace_of_the_last() -> None:
    estimate = Estimate(WORK)
    for _ in range(10):
        estimate.add("pretrain", 30, 3.0)  # 0.1 s each
    assert estimate.seconds_left() == pytest.approx(0.1 * (300 + 300 + 100))
    estimate.finish("pretrain")
    assert estimate.seconds_left() == pytest.approx(0.1 * (300 + 100))
    estimate.add("finetune", 100, 50.0)  # 0.5 s each
    assert estimate.seconds_left() == pytest.approx(0.5 * (200 + 100))
    assert estimate.done == pytest.approx(0.7)
    estimate.add("finetune", 250, 1.0)  # more than was planned
    assert estimate.seconds_left() == pytest.approx(51 / 350 * 100)


def test_what_an_earlier_process_did_counts_as_done_and_not_as_fast() -> None:
    estimate = Estimate(WORK)
    estimate.skip("pretrain", 0.5)
    assert estimate.seconds_left() is None
    estimate.add("pretrain", 100, 10.0)
    assert estimate.seconds_left() == pytest.approx(0.1 * (200 + 300 + 100))
