"""Record signals that ask a run to stop, and stop at the next safe place.

The signals are SIGTERM (preempted, requeued or cancelled job), SIGUSR2 (job near its time limit)
and SIGINT (Ctrl-C). Saving inside a handler could corrupt a checkpoint that is being written, so
handlers only record the signal. Training saves between two steps. Preparation of data stops between
two items (`handpose.progress.checking`).
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
    """A signal has stopped the run at a safe place.

    Args:
        code: exit code, 130 (Ctrl-C) or 143.
        together: whether it is raised in all processes of the run.

    Attributes:
        resumable: False if the run's Slurm job is requeued and resumes by itself.
    """

    def __init__(self, code: int, *, together: bool) -> None:
        super().__init__(code)
        self.together = together
        self.resumable = True


class Interrupt:
    """The recorded signal, if any; a second Ctrl-C stops the process at once."""

    def __init__(self) -> None:
        self.noted: signal.Signals | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.noted == signal.SIGINT:
                raise KeyboardInterrupt
            if collectives.is_first():
                os.write(_STDERR, _SAID)  # logging is not safe in a signal handler
        self.noted = signal.Signals(number)

    def check(self) -> None:
        """Stop the run if any of its processes has recorded a signal.

        Call it in all processes, where all work is on disk or can be repeated.

        Raises:
            Interrupted: a signal was received.
        """
        first = next((one for one in collectives.everyones(self.noted) if one is not None), None)
        _stop(first, together=True)

    def check_alone(self) -> None:
        """Stop this process if it has recorded a signal, while the other processes wait for it.

        Raises:
            Interrupted: a signal was received.
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

    The Slurm job is requeued after the run has closed its files.

    Args:
        requeues: whether a restarted job would resume the run.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    if not requeues and own_job() is not None and collectives.is_first():
        _log.warning(
            "this Slurm job will not be requeued after a signal: without hydra.run.dir=DIR on "
            "the command line it would start a new run"
        )
    # Replace the handlers of the process that started this one, such as submitit's.
    before = {number: signal.signal(number, interrupt.note) for number in SIGNALS}
    try:
        yield interrupt
    except Interrupted as interrupted:
        # Only rank 0 requeues the job.
        if interrupted.code == _TERMINATED and collectives.is_first():
            interrupted.resumable = not (requeues and requeue_job())
        if interrupted.together:
            collectives.wait()  # the first process to exit may end the others
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
