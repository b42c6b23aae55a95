"""A stage in a thread: order, errors behind what came before them, a bounded queue, an end."""

import threading
import time
from collections.abc import Iterator

import pytest
from handpose.predict.background import in_background


def test_items_come_in_order() -> None:
    assert list(in_background(range(50), ahead=3)) == list(range(50))
    assert list(in_background([], ahead=1)) == []
    nested = in_background((2 * n for n in in_background(range(9), ahead=1)), ahead=4)
    assert list(nested) == list(range(0, 18, 2))


@pytest.mark.parametrize("error", [ValueError("no"), OSError("no"), KeyboardInterrupt("no")])
def test_an_error_comes_behind_the_items_before_it(error: BaseException) -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise error

    stage = in_background(items(), ahead=1)
    assert [next(stage) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(type(error), match="no"):
        next(stage)


def test_no_more_than_a_few_items_wait() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    stage = in_background(items(), ahead=3)
    assert next(stage) == 0
    time.sleep(0.3)
    assert len(made) <= 1 + 3 + 1, "taken, waiting, and one in the hand of the thread"
    stage.close()


def test_closing_stops_the_thread_and_closes_what_it_reads() -> None:
    closed: list[str] = []

    def items(name: str) -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.append(name)

    before = threading.active_count()
    inner = in_background(items("inner"), ahead=2)
    outer = in_background((n for n in inner), ahead=2)
    assert next(outer) == 0
    assert threading.active_count() == before + 2
    outer.close()
    inner.close()
    assert closed == ["inner"]
    assert threading.active_count() == before


def test_stages_overlap() -> None:
    def slow(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            time.sleep(0.02)
            yield item

    start = time.monotonic()
    list(slow(in_background(slow(in_background(slow(iter(range(20))), ahead=2)), ahead=2)))
    assert time.monotonic() - start < 0.8 * 3 * 20 * 0.02
