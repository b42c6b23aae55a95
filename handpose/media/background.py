"""Runs a stage of a pipeline in a thread of its own, with a bounded queue behind it."""

import queue
import threading
from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Any, TypeVar

T = TypeVar("T")
_END = object()
_POLL = 0.1  # seconds between two looks whether the consumer has gone


def in_background(items: Iterable[T], *, ahead: int) -> Generator[T, None, None]:
    """Yields `items`, which a thread computes ahead.

    An error of theirs is raised here, behind the items before it. Closing this generator stops the
    thread and closes `items`.

    Args:
        items: a generator, or any iterable.
        ahead: largest number of items that wait.
    """
    waiting: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(maxsize=ahead)
    is_over = threading.Event()

    def hand_over(item: Any, error: BaseException | None = None) -> bool:
        while not is_over.is_set():
            try:
                waiting.put((item, error), timeout=_POLL)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not hand_over(item):
                    break
        except BaseException as error:  # raised again by the consumer
            hand_over(_END, error)
        else:
            hand_over(_END)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        is_over.set()
        thread.join()
        if isinstance(items, Generator):
            with closing(items):
                pass
