"""How long a soak is made, and of what."""

import pytest
from soak import SETTINGS, Timing, epochs, has_length, plan_epochs, run_settings


def test_the_stages_fill_what_start_ups_leave() -> None:
    """30 min in intervals of 90 s, of which 15 s are lost: 750 s for each stage."""
    timing = Timing(start_up=15.0, pretrain=7.5, finetune=5.0)
    assert plan_epochs(timing, minutes=30, every=(60, 120)) == (100, 150)


def test_a_machine_too_slow_for_the_intervals_has_something_to_do_all_the_same() -> None:
    assert plan_epochs(Timing(900.0, 600.0, 600.0), minutes=1, every=(1, 2)) == (1, 1)


def test_the_users_overrides_come_last_and_each_key_once() -> None:
    lines = run_settings(["trainer=debug", "seed=7"])
    assert "trainer=debug" in lines
    assert "trainer=cpu" not in lines
    assert lines[-1] == "seed=7"
    assert run_settings([]) == list(SETTINGS)


def test_directories_are_the_soaks_own() -> None:
    with pytest.raises(ValueError, match=r"hydra\.run\.dir=x"):
        run_settings(["hydra.run.dir=x"])


def test_a_length_of_ones_own_is_seen() -> None:
    assert not has_length(run_settings([]))
    assert has_length(epochs(3, 4))
