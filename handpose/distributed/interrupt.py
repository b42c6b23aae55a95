"""Signals that ask a run to stop: noted when they come, acted on at the next safe place.

SIGTERM (a preempted, requeued or cancelled job), SIGUSR2 (a job that is soon out of time) and
SIGINT (Ctrl-C). A handler that saves can tear the very checkpoint that it writes, so it only notes;
the saving is done between two steps.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from handpose.distributed import collectives
from handpose.distributed.requeue import own_job, requeue_job

_log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)
_STDERR = 2
_SAID = b"Ctrl-C: stopping at the next safe place. Press it again to stop at once.\n"
_CTRL_C, _TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class Interrupted(SystemExit):
    """A run that was told to stop, and did at a safe place.

    Args:
        code: the exit code, 130 (Ctrl-C) or 143.
        together: whether it is raised in all processes of the run.

    Attributes:
        resumable: False where the run's Slurm job is back in the queue, and resumes there.
    """

    def __init__(self, code: int, *, together: bool) -> None:
        super().__init__(code)
        self.together = together
        self.resumable = True


class Interrupt:
    """Which signal has come, if any.

    A second Ctrl-C ends the process at once, as it always would.
    """

    def __init__(self) -> None:
        self.noted: signal.Signals | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.noted == signal.SIGINT:
                raise KeyboardInterrupt
            if collectives.is_first():
                os.write(_STDERR, _SAID)  # logging may be in the middle of a line
        self.noted = signal.Signals(number)

    def check(self) -> None:
        """To be called at a safe place: all that was done so far is on disk, or can be done again.

        By all processes of a run together, for a signal may have reached one of them alone.

        Raises:
            Interrupted: a signal has come.
        """
        first = next((one for one in collectives.everyones(self.noted) if one is not None), None)
        _stop(first, together=True)

    def check_alone(self) -> None:
        """The same where this process does something alone that the others wait for.

        Raises:
            Interrupted: see `check`.
        """
        _stop(self.noted, together=False)


def _stop(noted: signal.Signals | None, *, together: bool) -> None:
    if noted is None:
        return
    _log.warning("stopped by %s", noted.name)
    raise Interrupted(_CTRL_C if noted == signal.SIGINT else _TERMINATED, together=together)


@contextmanager
def interruptible(*, requeues: bool = True) -> Iterator[Interrupt]:
    """Record signals while the block runs; no-op outside the main thread.

    After the run has stopped and closed its files, its Slurm job is requeued, so the next attempt
    may start at once.

    Args:
        requeues: whether a job that begins again would resume the run.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    if not requeues and own_job() is not None and collectives.is_first():
        _log.warning(
            "this Slurm job is not requeued when it is told to stop: without hydra.run.dir=DIR on "
            "the command line it would begin a new run"
        )
    # Over the handlers of whoever began this process, such as submitit's
    before = {number: signal.signal(number, interrupt.note) for number in SIGNALS}
    try:
        yield interrupt
    except Interrupted as interrupted:
        # The first process of one task that has several; of several tasks, that of the first.
        if interrupted.code == _TERMINATED and collectives.is_first():
            interrupted.resumable = not (requeues and requeue_job())
        if interrupted.together:
            collectives.wait()  # a process that leaves first may take the others with it
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
