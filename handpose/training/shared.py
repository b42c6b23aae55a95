"""An encoder that many runs need and one trains: whose turn it is to do that.

The lease only saves work. A holder that was frozen and wakes up beside its successor does no harm:
each works in its own run directory, and the first to finish publishes.
"""

import logging
import math
import signal
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from filelock import SoftFileLease, Timeout

from handpose.distributed.interrupt import Interrupt
from handpose.training.encoder_folder import EncoderFolder
from handpose.training.stand_by import StandBy

_log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0


class LeaseLostError(Exception):
    """Another run took over, since this one was silent for too long."""


class SharedEncoder(EncoderFolder):
    """The encoder's folder, and who is at work in it, as one run sees it.

    Args:
        folder, spec: of the encoder, as `EncoderFolder` has them.
        lease_seconds: silent for so long, a holder counts as dead; equal in all runs.
        patience: seconds that a Slurm job waits before it does so in the queue.
    """

    def __init__(
        self,
        folder: Path,
        *,
        spec: dict[str, Any],
        lease_seconds: float,
        patience: float = math.inf,
    ) -> None:
        super().__init__(folder, spec=spec)
        self._patience, self._stand_by = patience, StandBy(folder, seconds=patience)
        # One object for as long as the run waits: only what it saw itself tells it that a holder is
        # silent, whatever the clocks of other machines say.
        self._lease = SoftFileLease(folder / "lease", lease_duration=lease_seconds)

    @property
    def is_lost(self) -> bool:
        """Whether the lease that this run took is another's by now."""
        return self._lease.compromise is not None

    def take_turn(self, run_dir: Path, interrupt: Interrupt) -> list[Path] | None:
        """Waits until the file is there, or it is for this run to make it.

        Args:
            run_dir: of this run.
            interrupt: tells when to stop waiting.

        Returns:
            None where the file is there; else the run directories that began it, the last first.

        Raises:
            SharedFailedError: it cannot be made.
            Interrupted: the run is to stop, or its job waits in the queue.
        """
        self._wait(interrupt)
        try:
            self.refuse_if_failed()
            if self.is_there():
                self.release()
                return None
            return self.begin(run_dir)
        except BaseException:
            self.release()
            raise

    def _wait(self, interrupt: Interrupt) -> None:
        """Until the lease is this run's, or there is no more need of it."""
        interrupt.check_alone()
        if self.is_over():
            return
        if (self.folder / "lease").exists():
            makers = ", ".join(map(str, self.makers()[:1])) or "another run"
            _log.info("pre-training is at work in %s; waiting for %s", makers, self.path)
        if self._is_for_this_run(interrupt, self._patience):
            return
        if self._stand_by.join(self.is_over):
            interrupt.note(signal.SIGTERM, None)  # as Slurm is about to say
            interrupt.check_alone()
        self._is_for_this_run(interrupt, math.inf)

    def _is_for_this_run(self, interrupt: Interrupt, seconds: float) -> bool:
        """Whether to go on, after so long a wait at the most: it has the lease, or needs none."""
        end = time.monotonic() + seconds

        def is_enough() -> bool:
            return interrupt.noted is not None or self.is_over() or time.monotonic() > end

        try:
            self._lease.acquire(poll_interval=_POLL_SECONDS, cancel_check=is_enough)
        except Timeout:
            interrupt.check_alone()
            return self.is_over()
        return True

    def release(self) -> None:
        """Lets others take their turn; nothing where it is not this run's.

        Of the jobs that wait in the queue one continues the work, or all where none is left.
        """
        is_lost = self.is_lost
        self._lease.release(force=True)
        if not is_lost:
            self._stand_by.call(self.is_over)


class LeaseWatch(pl.Callback):
    """Ends the work of a holder that another run took for dead.

    With several processes nothing ends: one alone may not leave, and the first file published wins.
    """

    def __init__(self, shared: SharedEncoder) -> None:
        self._shared = shared

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        if trainer.world_size == 1 and self._shared.is_lost:
            raise LeaseLostError(f"{self._shared.folder}: another run took over")
