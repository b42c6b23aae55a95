"""What a person sees of long work: lines in the log, and bars on a terminal.

The lines go through `logging`, so a run's train.log has all of them. While bars are shown, the
console leaves out the lines that say what the bars say.
"""

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from rich.progress import BarColumn, Progress, TextColumn

T = TypeVar("T")

_log = logging.getLogger(__name__)
SECONDS = 30.0  # between two lines
_IN_BARS = {"is_in_bars": True}  # marks a line that the bars make superfluous


def tell(line: str, *, is_in_bars: bool = False) -> None:
    """Logs a line; one that `is_in_bars` does not reach a console that shows bars."""
    _log.info(line, extra=_IN_BARS if is_in_bars else None)


def track(items: Iterable[T], *, what: str, total: int) -> Iterator[T]:
    """Yields `items`, with a bar on a terminal and a line now and then.

    Args:
        items: what takes long to go through.
        what: is done with them, such as "rendering train hands".
        total: how many there are.
    """
    start = told = time.monotonic()
    with bars() as shown:
        tell(f"{what}: {total:,}", is_in_bars=True)
        task = None if shown is None else shown.add_task(what, total=total, text="")
        for done, item in enumerate(items, 1):
            yield item
            if shown is not None and task is not None:
                shown.update(task, completed=done, text=f"{done:,} of {total:,}")
            now = time.monotonic()
            if now - told >= SECONDS:
                told, left = now, (now - start) * (total - done) / done
                tell(
                    f"{what}: {done:,} of {total:,}, elapsed {clock(now - start)}, "
                    f"ETA {clock(left)}",
                    is_in_bars=True,
                )


@contextmanager
def bars() -> Iterator[Progress | None]:
    """Bars at the foot of the terminal, gone afterwards; None where there is no place for them.

    No place: off a terminal, in all processes of a run but the first, in a thread of a server, and
    within other bars.
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
            console.setStream(sys.stdout)  # rich's own by now, which writes above the bars
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
    """ "1:02:03"; "?" for what is not known."""
    return "?" if seconds is None else str(timedelta(seconds=round(seconds)))
