"""Items made in a thread: in order, not too many, with their errors, and no thread left."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from handpose.media.background import in_background


def test_all_items_come_in_order() -> None:
    before = threading.active_count()
    assert list(in_background(range(100), ahead=3)) == list(range(100))
    assert threading.active_count() == before


def test_only_a_few_are_made_ahead_and_what_makes_them_is_closed() -> None:
    made: list[int] = []
    closed: list[bool] = []

    def make() -> Iterator[int]:
        try:
            for number in range(100):
                made.append(number)
                yield number
        finally:
            closed.append(True)

    before = threading.active_count()
    with closing(in_background(make(), ahead=3)) as items:
        assert next(items) == 0
        time.sleep(0.3)
        assert 1 < len(made) <= 5
    assert len(made) <= 6
    assert closed == [True]
    assert threading.active_count() == before


def test_an_error_comes_where_its_item_would() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    items = in_background(make(), ahead=3)
    assert next(items) == 1
    with pytest.raises(ValueError, match="the second"):
        next(items)


def test_waiting_at_once_is_shorter_than_in_turn() -> None:
    def make() -> Iterator[int]:
        for number in range(10):
            time.sleep(0.04)
            yield number

    start = time.monotonic()
    for _ in in_background(make(), ahead=2):
        time.sleep(0.04)
    assert time.monotonic() - start < 0.7


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
