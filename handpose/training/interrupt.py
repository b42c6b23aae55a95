"""Signals that ask a run to stop: noted when they come, acted on at the next safe place.

SIGTERM (a preempted, requeued or cancelled job), SIGUSR2 (a job that is soon out of time) and
SIGINT (Ctrl-C). A handler that saves can tear the very checkpoint that it writes, so it only notes;
the saving is done between two steps.
"""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from handpose import ranks
from handpose.training.requeue import requeue_job

_log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)


class Interrupted(SystemExit):
    """A run that was told to stop, and did at a safe place; exits with 130 (Ctrl-C) or 143."""


class Interrupt:
    """Which signal has come, if any.

    A second Ctrl-C ends the process at once, as it always would.
    """

    def __init__(self) -> None:
        self.noted: signal.Signals | None = None

    def listen(self) -> None:
        """Takes the signals over, from whoever has them by now."""
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.noted == signal.SIGINT:
            raise KeyboardInterrupt
        self.noted = signal.Signals(number)

    def check(self) -> None:
        """To be called at a safe place: all that was done so far is on disk, or can be done again.

        By all processes of a run together, for a signal may have reached one of them alone.

        Raises:
            Interrupted: a signal has come. A Slurm job that is still running is requeued first.
        """
        _stop(next((one for one in ranks.everyones(self.noted) if one is not None), None))

    def check_alone(self) -> None:
        """The same where this process does something alone that the others wait for.

        Raises:
            Interrupted: see `check`.
        """
        _stop(self.noted)


def _stop(noted: signal.Signals | None) -> None:
    if noted is None:
        return
    if noted != signal.SIGINT:
        requeue_job()
    _log.warning("stopped by %s; the same command goes on from here", noted.name)
    raise Interrupted(130 if noted == signal.SIGINT else 143)


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Notes signals within, in the main thread; elsewhere Python lets nobody listen."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    interrupt.listen()
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
