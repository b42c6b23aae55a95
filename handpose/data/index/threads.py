"""Reads many small files with threads, in order and in constant memory."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from handpose.distributed.processes import num_cores
from handpose.progress import track

_CHUNK = 512  # items handed to the threads at a time
_LEAST_FOR_PROGRESS = 2000  # items

T = TypeVar("T")
R = TypeVar("R")


def read_in_order(
    read: Callable[[T], R], items: Iterable[T], *, what: str, total: int
) -> Iterator[R]:
    """Yield `read(item)` of every item, on all cores, with a progress bar for many.

    Args:
        read: must not raise; it runs in a thread.
        what: what is done, for the bar.
        total: number of items.
    """
    if total >= _LEAST_FOR_PROGRESS:
        items = track(items, what=what, total=total)
    rest = iter(items)
    with ThreadPoolExecutor(num_cores()) as threads:
        # A pool's map would take all items at once.
        while chunk := list(islice(rest, _CHUNK)):
            yield from threads.map(read, chunk)


def attempt(read: Callable[[T], R]) -> Callable[[T], R | Exception]:
    """Return a `read` that returns an error instead of raising it, for `read_in_order`."""

    def act(item: T) -> R | Exception:
        try:
            return read(item)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            return error

    return act


def result(found: R | Exception) -> R:
    """Return what `attempt` found, or raise it."""
    if isinstance(found, Exception):
        raise found
    return found
