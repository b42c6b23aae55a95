"""An encoder that many runs need and one trains: claimed by a lease, published whole or not at all.

    FOLDER/encoder.pt     the result: whole, or not there
    FOLDER/curves.csv     the curves of its making
    FOLDER/spec.json      what it is made from, and so what FOLDER is named after
    FOLDER/makers.txt     the run directories that began it, in order; the next goes on from there
    FOLDER/failed.txt     why it cannot be made: as long as this lies here, nobody tries again
    FOLDER/lease          of the run that is at it
    FOLDER/stand_by/      the Slurm jobs that wait in the queue (see `StandBy`)

The lease only saves work. A holder that was frozen and wakes up beside its successor does no harm:
each works in its own run directory, and the first to finish publishes.
"""

import json
import logging
import math
import os
import signal
import time
import traceback
import uuid
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from filelock import SoftFileLease, Timeout

from handpose.training import checkpoint
from handpose.training.interrupt import Interrupt
from handpose.training.loggers import PRETRAINING, curves_of
from handpose.training.stand_by import StandBy

_log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
# What another attempt might survive, on another machine or at another time.
_PASSING = (OSError, MemoryError, RuntimeError)


class LeaseLostError(Exception):
    """Another run took over, since this one was silent for too long."""


class SharedFailedError(ValueError):
    """What this run needs cannot be made; says why, and how to try again."""


class SharedEncoder:
    """One such folder, as one run sees it.

    Args:
        folder: named after what decides the encoder.
        spec: what decides it, in plain values.
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
        self.folder, self._spec, self._patience = folder, spec, patience
        self._stand_by = StandBy(folder, seconds=patience)
        self.path, self.curves = folder / "encoder.pt", folder / "curves.csv"
        self._failed, self._makers = folder / "failed.txt", folder / "makers.txt"
        folder.mkdir(parents=True, exist_ok=True)
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
            self._refuse_if_failed()
            if self._is_there():
                self.release()
                return None
            return self._begin(run_dir)
        except BaseException:
            self.release()
            raise

    def _wait(self, interrupt: Interrupt) -> None:
        """Until the lease is this run's, or there is no more need of it."""
        interrupt.check_alone()
        if self._is_over():
            return
        if (self.folder / "lease").exists():
            makers = ", ".join(map(str, self.makers()[:1])) or "another run"
            _log.info("pre-training is at work in %s; waiting for %s", makers, self.path)
        if self._is_for_this_run(interrupt, self._patience):
            return
        if self._stand_by.join(self._is_over):
            interrupt.note(signal.SIGTERM, None)  # as Slurm is about to say
        self._is_for_this_run(interrupt, math.inf)

    def _is_for_this_run(self, interrupt: Interrupt, seconds: float) -> bool:
        """Whether to go on, after so long a wait at the most: it has the lease, or needs none."""
        end = time.monotonic() + seconds

        def is_enough() -> bool:
            return interrupt.noted is not None or self._is_over() or time.monotonic() > end

        try:
            self._lease.acquire(poll_interval=_POLL_SECONDS, cancel_check=is_enough)
        except Timeout:
            interrupt.check_alone()
            return self._is_over()
        return True

    def _begin(self, run_dir: Path) -> list[Path]:
        """Notes that it is this run's turn; returns those before it."""
        if self.path.exists():
            _log.warning("%s is damaged (%s)", self.path, checkpoint.find_damage(self.path))
            self.path.unlink()
        before = self.makers()
        self._write("spec.json", json.dumps(self._spec, indent=1, sort_keys=True))
        with self._makers.open("a", encoding="utf-8") as file:
            file.write(f"{run_dir.absolute()}\n")
        return before

    def makers(self) -> list[Path]:
        """The run directories that began the file, the last first, each once."""
        if not self._makers.is_file():
            return []
        lines = self._makers.read_text(encoding="utf-8").splitlines()
        return [Path(line) for line in dict.fromkeys(reversed(lines))]

    def publish(self, content: Any, metrics: Path) -> None:
        """Makes the file, unless another run was first: readers see nothing of it, or all.

        Args:
            content: of the file, for `checkpoint.save`.
            metrics: the metrics.csv that holds the curves.
        """
        self._write(self.curves.name, curves_of(metrics, PRETRAINING))
        partial = self.folder / f".{uuid.uuid4().hex}.partial"
        checkpoint.save(content, partial)  # verified, and on the disk
        try:
            os.link(partial, self.path)
        except FileExistsError:
            _log.warning("%s: another run was first; its file is used", self.path)
        finally:
            partial.unlink()

    def fail(self, error: Exception) -> None:
        """Tells those who wait, if another attempt would end the same way."""
        if not isinstance(error, _PASSING):
            text = "".join(traceback.format_exception(error))
            self._write(self._failed.name, f"{error}\n\nin {self.makers()[0]}\n\n{text}")

    def release(self) -> None:
        """Lets others take their turn; nothing where it is not this run's."""
        self._lease.release(force=True)
        self._stand_by.call()

    def _is_over(self) -> bool:
        return self._is_there() or self._failed.exists()

    def _is_there(self) -> bool:
        return self.path.exists() and checkpoint.find_damage(self.path) is None

    def _refuse_if_failed(self) -> None:
        if self._failed.is_file():
            reason, _, rest = self._failed.read_text(encoding="utf-8").partition("\n\n")
            raise SharedFailedError(
                f"the pre-training that this run shares failed {rest.partition(chr(10))[0]}: "
                f"{reason}\nIt would fail again. To have it tried once more, delete {self._failed}"
            )

    def _write(self, name: str, text: str) -> None:
        partial = self.folder / f".{name}.{uuid.uuid4().hex}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.folder / name)


class GiveWay(pl.Callback):
    """Ends the work of a holder that another run took for dead.

    With several processes nothing ends: one alone may not leave, and the first file published wins.
    """

    def __init__(self, shared: SharedEncoder) -> None:
        self._shared = shared

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        if trainer.world_size == 1 and self._shared.is_lost:
            raise LeaseLostError(f"{self._shared.folder}: another run took over")
