"""Progress of long work: lines in the log, and bars on a terminal.

The lines go through `logging`, so a run's train.log has all of them. While bars are shown, the
console omits the lines that repeat what the bars show.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from typing import TypeVar

from rich.progress import BarColumn, Progress, TextColumn

T = TypeVar("T")

_log = logging.getLogger(__name__)
SECONDS = 30.0  # between two lines
_IN_BARS = {"is_in_bars": True}  # marks a line that repeats what the bars show
_checks: list[Callable[[], None]] = []  # see `checking`


def tell(line: str, *, is_in_bars: bool = False) -> None:
    """Logs a line.

    Args:
        line: the text.
        is_in_bars: keep it from a console that shows bars.
    """
    _log.info(line, extra=_IN_BARS if is_in_bars else None)


@contextmanager
def checking(check: Callable[[], None]) -> Iterator[None]:
    """Calls `check` after each item of `track` in the block, in the main thread.

    Args:
        check: raises an exception to stop the work, such as after a signal.
    """
    _checks.append(check)
    try:
        yield
    finally:
        _checks.remove(check)


def track(items: Iterable[T], *, what: str, total: int | None) -> Generator[T, None, None]:
    """Yields `items`, with a bar on a terminal and a line every 30 s.

    A generator of items is closed at the end, so that its worker processes end.

    Args:
        items: the items to go through.
        what: what is done with them, such as "rendering train hands".
        total: number of items; None if unknown.
    """
    start = last = time.monotonic()
    of_total = "" if total is None else f" of {total:,}"
    with ExitStack() as stack:
        if isinstance(items, Generator):
            stack.enter_context(closing(items))
        shown = stack.enter_context(bars())
        tell(what if total is None else f"{what}: {total:,}", is_in_bars=True)
        task = None if shown is None else shown.add_task(what, total=total, text="")
        for done, item in enumerate(items, 1):
            yield item
            _check()
            now = time.monotonic()
            left = None if total is None else max(0.0, (now - start) * (total / done - 1))
            eta = "" if left is None else f", ETA {clock(left)}"
            if shown is not None and task is not None:
                rate = f", {done / (now - start):.1f}/s" if now > start else ""
                shown.update(task, completed=done, text=f"{done:,}{of_total}{rate}{eta}")
            if now - last >= SECONDS:
                last, line = now, f"{what}: {done:,}{of_total}, elapsed {clock(now - start)}"
                tell(line + eta, is_in_bars=True)


def _check() -> None:
    if threading.current_thread() is threading.main_thread():
        for check in _checks:
            check()


@contextmanager
def bars() -> Iterator[Progress | None]:
    """Shows bars at the bottom of the terminal; yields None where they cannot be shown.

    They are shown in the main thread of a run's first process only, and not within other bars.
    """
    consoles = _consoles()
    is_first = logging.root.manager.disable < logging.INFO
    is_main = threading.current_thread() is threading.main_thread()
    is_shown = any(_not_in_bars in console.filters for console in consoles)
    if not (sys.stdout.isatty() and is_first and is_main) or is_shown:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
    with Progress(*columns, transient=True) as shown:
        streams = [console.stream for console in consoles]
        for console in consoles:
            console.setStream(sys.stdout)  # rich has replaced it; it writes above the bars
            console.addFilter(_not_in_bars)
        try:
            yield shown
        finally:
            for console, stream in zip(consoles, streams, strict=True):
                console.setStream(stream)
                console.removeFilter(_not_in_bars)


def _consoles() -> list[logging.StreamHandler]:
    """The log's handlers that write to a terminal."""
    return [
        handler
        for handler in logging.root.handlers
        if type(handler) is logging.StreamHandler and handler.stream in (sys.stdout, sys.stderr)
    ]


def _not_in_bars(record: logging.LogRecord) -> bool:
    return not hasattr(record, "is_in_bars")


def clock(seconds: float | None) -> str:
    """Returns "1:02:03", or "?" if `seconds` is None."""
    return "?" if seconds is None else str(timedelta(seconds=round(seconds)))
