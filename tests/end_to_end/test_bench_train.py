"""bench_train measures every way in turns, says what it left out, and finds an unequal twin."""

import importlib
from collections.abc import Callable
from types import ModuleType

import pytest
import torch

WAYS = {"device", "device, bare loop", "resident", "packed", "files", "Lightning, torchvision"}


@pytest.fixture
def module(bench: object) -> Callable[[str], ModuleType]:
    """module(name): one of scripts/benchmarks, once `bench` has put scripts/ on the path."""
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.fixture
def bench_train(bench: object) -> ModuleType:
    return importlib.import_module("bench_train")


@pytest.mark.slow
def test_every_way_is_measured_and_the_resumed_twin_is_equal(
    bench: Callable[..., dict], capsys: pytest.CaptureFixture[str]
) -> None:
    results = bench("bench_train.py", "--quick", "--workers", "1", "--check-resume")
    printed = capsys.readouterr().out
    (network,) = results["networks"].values()
    assert set(network["ways"]) >= WAYS
    assert not results["left_out"]
    for name, row in network["ways"].items():
        assert row["images_per_second"] > 0
        assert row["over_plain"] > 0
        assert name in printed
    assert network["ways"]["Lightning, torchvision"]["over_plain"] == 1
    assert results["resume"]["killed_at"] < results["resume"]["steps"]
    assert results["resume"]["different"] == []


def test_a_stopwatch_does_not_count_the_first_window(
    module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = module("turns")
    clock = iter((50.0, 51.0, 52.0))  # seconds at the ends of the windows
    monkeypatch.setattr(turns.time, "perf_counter", lambda: next(clock))
    watch = turns.Stopwatch(steps=5, images=8)
    for number in range(1, 15):
        watch.step(number, {"wait": float(number)})
    with pytest.raises(turns.TurnOverError):
        watch.step(15, {"wait": 15.0})
    measured = watch.measured()
    assert watch.least == 15
    assert measured.images_per_second == 2 * 5 * 8 / 2.0
    assert measured.meters == {"wait": 12.5}  # of the steps 10 and 15


def test_ways_take_turns_and_a_failing_one_is_left_out(
    module: Callable[[str], ModuleType],
) -> None:
    turns = module("turns")
    order = []

    def way(name: str, *, fails_at: int = 99) -> Callable[[], object]:
        def take() -> object:
            order.append(name)
            if order.count(name) == fails_at:
                raise ValueError("no memory")
            return turns.Measured(float(len(order)), {})

        return lambda: take

    ways = {"a": way("a"), "b": way("b", fails_at=2), "c": way("c")}
    found, left_out = turns.take_turns(ways, rounds=3, until=float("inf"))
    assert "".join(order) == "abcabcac"
    assert left_out == {"b": "ValueError: no memory"}
    assert {name: len(own) for name, own in found.items()} == {"a": 3, "c": 3}


def test_ways_without_time_are_left_out(
    module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = module("turns")
    now = 0.0
    monkeypatch.setattr(turns.time, "monotonic", lambda: now)

    def make() -> Callable[[], object]:
        def take() -> object:
            nonlocal now
            now += 4.0
            return turns.Measured(1.0, {})

        return take

    names = ["a", "b", "c", "d"]
    found, left_out = turns.take_turns(dict.fromkeys(names, make), rounds=3, until=15.0)
    assert left_out == {"d": turns.NO_TIME}  # it would begin after 0.75 of 15 s
    assert {name: len(own) for name, own in found.items()} == {"a": 2, "b": 1, "c": 1}
    now = 0.0
    found, left_out = turns.take_turns(dict.fromkeys(names, make), rounds=2, until=100.0)
    assert (left_out, {len(own) for own in found.values()}) == ({}, {2})


def test_a_twin_that_differs_in_one_bit_is_found(module: Callable[[str], ModuleType]) -> None:
    twin = module("resume_twin")
    one = {"a": torch.zeros(2, 3), "b": torch.ones(()), "n": torch.tensor(3)}
    other = {**one, "a": -torch.zeros(2, 3), "n": torch.tensor(3)}
    assert twin.different(one, {**one, "n": torch.tensor(3)}) == []
    assert twin.different(one, other) == ["a"]  # equal as numbers
    assert twin.different(one, {"a": one["a"]}) == ["b", "n"]


def test_the_most_important_ways_come_first(bench_train: ModuleType) -> None:
    task = bench_train.Task(*("resnet50", 224, 64, 20, 8, "cuda"), images=None, folder=None)
    compiled = list(bench_train.ways(task, compiled=True))
    assert compiled[:3] == ["device", "Lightning, torchvision", "device, bare loop"]
    eager = list(bench_train.ways(task, compiled=False))
    assert [name for name in compiled if not name.endswith(", compiled")] == eager
    assert len(compiled) - len(eager) == len(bench_train.INPUTS)
    networks = [network[:2] for network in bench_train.plan("cuda", quick=False).networks]
    sizes = {("resnet50", 128), ("resnet18", 64), ("resnet18", 128), ("hrnet_w32", 128)}
    assert networks[0] == ("resnet50", 224)
    assert set(networks[1:]) == sizes


def test_the_aims_are_judged(bench_train: ModuleType) -> None:
    own = {"images_per_second": 200.0, "over_plain": 1.5, "data_wait_percent": 2.0}
    rows = {"device": own, "device, bare loop": {"images_per_second": 220.0}}
    twin = {"network": "n", "steps": 16, "killed_at": 11, "tensors": 5, "different": []}
    results = {"networks": {"a": {"ways": rows}}, "resume": twin}
    lines = bench_train.aims(results, "a")
    expected = (
        *("2.00 % (aim: below 2 %: MISSED)", "1.50 times (aim: at least 1.5: reached)"),
        *("MFU: not measured", "1.10 times", "0 of 5 tensors differ, equal in every bit"),
    )
    assert all(line.endswith(end) for line, end in zip(lines, expected, strict=True))
    twin["different"] = ["weight"]
    assert bench_train.aims(results, "a")[-1].endswith("1 of 5 tensors differ, NOT EQUAL")
    assert "not measured (aim: below 2 %)" in bench_train.aims({"networks": {}})[0]


def test_a_ratio_is_the_median_over_the_rounds(bench_train: ModuleType) -> None:
    found = {
        "files": [(2.0, {"p50_ms": 1.0}), (30.0, {"p50_ms": 3.0}), (9.0, {"p50_ms": 2.0})],
        bench_train.PLAIN: [(1.0, {}), (10.0, {}), (1.0, {})],
    }
    turns = importlib.import_module("benchmarks.turns")
    rows = bench_train.numbers({n: [turns.Measured(*t) for t in own] for n, own in found.items()})
    assert rows["files"] == {"images_per_second": 9.0, "over_plain": 3.0, "p50_ms": 2.0}
    assert rows[bench_train.PLAIN] == {"images_per_second": 1.0, "over_plain": 1.0}
