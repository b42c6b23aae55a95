"""Adaptive sweeps: the search space, the values that are checked, and studies that are resumed."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from handpose.config.checks.sweeps import adaptive_problems, ends, grid_problems, sweeper_problem
from handpose.config.errors import UserError
from handpose.config.schema import parse_rule
from handpose.sweep.search_space import as_overrides, distribution
from handpose.sweep.trials import Trials, one_driver

optuna = pytest.importorskip("optuna")
LINES = ("x=interval(0.0,1.0)", "n=range(1,9,2)", "head=heatmap,regression", "trainer=debug")
Make = Callable[..., Trials]


def parsed(*lines: str) -> list[Override]:
    return OverridesParser.create().parse_overrides(list(lines))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """make(sampler=..., lines=...): the study in the test's folder, opened anew."""

    def run(*, sampler: str = "tpe", lines: tuple[str, ...] = LINES, seed: int = 3) -> Trials:
        return Trials(
            tmp_path,
            parsed(*lines),
            metric=None,
            direction="minimize",
            sampler=sampler,
            seed=seed,
        )

    return run


def value(overrides: tuple[str, ...]) -> float:
    """A smooth function of the numbers, which is lower for one head."""
    own = dict(line.split("=") for line in overrides)
    return abs(float(own["x"]) - 0.3) + abs(int(own["n"]) - 5) + (own["head"] == "heatmap")


def go(trials: Trials, count: int) -> list[tuple[str, ...]]:
    done = []
    for _ in range(count):
        trial = trials.ask()
        done.append(trials.overrides(trial))
        trials.tell(trial, value(done[-1]))
    return done


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("k=interval(0.1,2)", "FloatDistribution(high=2.0, log=False, low=0.1, step=None)"),
        ("k=tag(log,interval(1e-4,1e-2))", "FloatDistribution(high=0.01, log=True, low=0.0001"),
        ("k=int(interval(2,9))", "IntDistribution(high=9, log=False, low=2, step=1)"),
        ("k=tag(log,int(interval(1,64)))", "IntDistribution(high=64, log=True, low=1, step=1)"),
        ("k=range(16,65,16)", "IntDistribution(high=64, log=False, low=16, step=16)"),
        ("k=a,b", "CategoricalDistribution(choices=('a', 'b'))"),
        ("k=choice(0.5,1,true)", "CategoricalDistribution(choices=('0.5', '1', 'True'))"),
        ("k=range(0.0,0.5,0.25)", "CategoricalDistribution(choices=('0.0', '0.25'))"),
    ],
)
def test_each_form_of_an_override_is_a_distribution(line: str, expected: str) -> None:
    assert repr(distribution(parsed(line)[0])).startswith(expected)


def test_suggested_numbers_are_short_and_inside() -> None:
    space = {"x": distribution(parsed("x=interval(0.123456,0.123459)")[0])}
    (text,) = as_overrides({"x": 0.1234567}, space)
    assert 0.123456 <= float(text.removeprefix("x=")) <= 0.123459
    wide = {"x": distribution(parsed("x=tag(log,interval(1e-6,1.0))")[0])}
    assert as_overrides({"x": 3.14159265e-5}, wide) == ("x=3.142e-05",)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random"])
def test_every_sampler_suggests_and_the_same_seed_repeats_it(
    sampler: str, make: Make, tmp_path: Path
) -> None:
    lines = ("x=interval(0.0,1.0)", "n=range(1,9,2)", "head=regression")
    first = go(make(sampler=sampler, lines=lines), 4)
    (tmp_path / "study.journal").unlink()
    assert go(make(sampler=sampler, lines=lines), 4) == first
    assert len(set(first)) > 1


def test_a_resumed_study_suggests_what_an_uninterrupted_one_does(
    make: Make, tmp_path: Path
) -> None:
    whole = go(make(), 14)  # the first ten at random
    (tmp_path / "study.journal").unlink()
    begun = go(make(), 11)
    killed = make()
    lost = killed.overrides(killed.ask())  # and no value
    again = make()
    assert again.recover(lambda overrides: True) == 11
    assert [*begun, *go(again, 3)] == whole
    assert lost == whole[11]
    assert again.recover(lambda overrides: True) == 14
    best = again.best()
    assert best is not None
    assert best[1] == min(map(value, whole))


def test_what_failed_or_was_deleted_is_tried_again(make: Make) -> None:
    trials = make()
    done = go(trials, 2)
    failed = trials.ask()
    trials.tell(failed, None)
    lines = trials.overrides(failed)
    assert lines not in done
    other = trials.ask()
    assert trials.overrides(other) != lines  # in the same call the next suggestion is another one
    trials.tell(other, 1.0)
    again = make()
    assert again.recover(lambda overrides: overrides != done[1]) == 2
    assert [again.overrides(again.ask()) for _ in range(2)] == [done[1], lines]


def test_another_command_is_another_study_and_free_keys_are_none(make: Make) -> None:
    go(make(), 2)
    assert make(lines=(*LINES, "report=false")).recover(lambda overrides: True) == 2
    assert make(lines=(*LINES[:3], "trainer=gpu")).recover(lambda overrides: True) == 0
    assert make(lines=("x=interval(0.0,2.0)", *LINES[1:])).known() == []


def test_two_drivers_of_one_sweep_are_refused(tmp_path: Path) -> None:
    live = one_driver(tmp_path / "s")
    with live, pytest.raises(UserError, match="in use by a live sweep"), one_driver(tmp_path / "s"):
        pass
    with one_driver(tmp_path / "s"):
        pass


def test_the_ends_of_every_override_are_combined() -> None:
    lines = ends(parsed("a=int(interval(1,9))", "b=range(0,100)", "c=x,y,z", "d=1"))
    assert len(lines) == 2 * 2 * 3
    assert ["a=9", "b=99", "c=z", "d=1"] in lines
    many = [f"k{n}=choice({','.join(map(str, range(9)))})" for n in range(4)]
    lines = ends(parsed(*many))
    assert len(lines) == 1 + 4 * 8  # each alone
    assert math.prod([9] * 4) > len(lines)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("seed=1,2", "x=1,2"), "the luckiest seed"),
        (("evaluate.split=val,test",), "decides what is measured"),
        (("x=1",), "no key has several values"),
    ],
)
def test_what_must_not_be_chosen_is_refused(lines: tuple[str, ...], reason: str) -> None:
    (problem,) = adaptive_problems(parsed(*lines), rules={}, has_head=True, metric=None)
    assert reason in problem


def test_a_whole_number_needs_an_interval_of_them() -> None:
    rules = {"n": parse_rule("int 1..99"), "x": parse_rule("1..99")}

    def found(line: str) -> list[str]:
        return adaptive_problems(parsed(line), rules=rules, has_head=True, metric=None)

    assert "write int(interval(LOW,HIGH))" in found("n=tag(log,interval(1,9))")[0]
    assert [found(line) for line in ("n=int(interval(1,9))", "x=interval(1,9)")] == [[], []]


def test_without_a_head_a_metric_is_named() -> None:
    (problem,) = adaptive_problems(parsed("x=1,2"), rules={}, has_head=False, metric=None)
    assert "sweep_metric=" in problem
    assert adaptive_problems(parsed("x=1,2"), rules={}, has_head=False, metric="pretext_rank") == []


def test_a_grid_takes_no_interval_and_other_sweepers_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert grid_problems(parsed("x=1,2")) == []
    assert "add hydra/sweeper=optuna" in grid_problems(parsed("x=interval(1,2)"))[0]
    assert sweeper_problem("optuna") is None
    assert "numpy<1.20" in str(sweeper_problem("nevergrad"))
    assert "sampler=gp" in str(sweeper_problem("ax"))
    monkeypatch.setattr("handpose.config.checks.sweeps.find_spec", lambda name: None)
    assert "pip install" in str(sweeper_problem("optuna"))
