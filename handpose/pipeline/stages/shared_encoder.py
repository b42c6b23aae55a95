"""Share pre-training: one run trains the encoder, the others take it from the cache.

An encoder is stored in ${paths.cache}/encoders/KEY, where KEY is a hash of its description:

    encoder.pt    the result, in the format of backbone.pt; written atomically at the end
    curves.csv    the metrics of its pre-training
    spec.json     the description
    makers.txt    the run directories that trained it, in order; several after a kill or a requeue
    failed.txt    why training failed; while this file exists, no run tries again
    checkpoints/  of the training, until encoder.pt exists; the next run resumes from them
    lock          locked by the run that trains the encoder

The lock is flock(2): the operating system releases it when the process ends. It works across
machines on NFSv4, and on Lustre mounted with `flock`.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from handpose.data.cache import set_aside
from handpose.distributed import collectives
from handpose.distributed.interrupt import Interrupt
from handpose.distributed.processes import IN_SWEEP
from handpose.pipeline.stages.encoder_key import describe
from handpose.pipeline.stages.fit import StageContext
from handpose.weights import torch_file

_log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0


class SharedFailedError(ValueError):
    """The pre-training that this run shares has failed before, and would fail again."""


# Errors that may not occur again on another machine or at another time.
_TRANSIENT = (OSError, MemoryError, RuntimeError, SharedFailedError)


class SharedEncoder:
    """One encoder in the cache.

    Args:
        folder: of the encoder; created if missing.
        spec: description of the encoder, in plain values.
    """

    def __init__(self, folder: Path, spec: dict[str, Any]) -> None:
        self.folder, self._spec = folder, spec
        self.path, self.curves = folder / "encoder.pt", folder / "curves.csv"
        self.checkpoints = folder / "checkpoints" / "pretrain"
        self._failed, self._makers = folder / "failed.txt", folder / "makers.txt"
        folder.mkdir(parents=True, exist_ok=True)
        # No fallback to a lock file: it would outlive a killed run.
        self._lock = FileLock(folder / "lock", fallback_to_soft=False)

    @contextmanager
    def claimed(self, run_dir: Path, interrupt: Interrupt) -> Iterator[bool]:
        """Wait until the encoder is published or this run may train it within the block.

        All processes of a run must call it.

        Args:
            run_dir: of this run.
            interrupt: ends the wait after a signal.

        Yields:
            Whether this run trains the encoder. No other run does so during the block.

        Raises:
            SharedFailedError: an earlier run failed in a way that would repeat.
            Interrupted: a signal was received.
        """
        try:
            is_maker = collectives.decided(lambda: self._claim(run_dir, interrupt))
            yield is_maker
        except Exception as error:
            if self._lock.is_locked:
                self._record_failure(error)
            raise
        finally:
            self._lock.release(force=True)

    def _claim(self, run_dir: Path, interrupt: Interrupt) -> bool:
        self._wait(interrupt)
        self._refuse_if_failed()
        if self.is_published():
            self._lock.release(force=True)
            return False
        self._begin(run_dir)
        return True

    def _wait(self, interrupt: Interrupt) -> None:
        """Return with the lock, or without it once the encoder is published."""
        interrupt.check_alone()
        if self.is_published():
            return
        try:
            self._lock.acquire(blocking=False)
            return
        except Timeout:
            maker = (self.makers() or ["another run"])[-1]
            _log.info("waiting for %s, trained by %s", self.path, maker)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            raise ValueError(
                f"{self.folder}: the file system has no file locks (flock), which shared "
                "pre-training needs. Set paths.cache to another one, or pretrain.share=false"
            ) from None
        try:
            self._lock.acquire(
                poll_interval=_POLL_SECONDS,
                cancel_check=lambda: interrupt.noted is not None or self.is_published(),
            )
        except Timeout:
            interrupt.check_alone()

    def _begin(self, run_dir: Path) -> None:
        if os.path.lexists(self.path):
            set_aside(self.path, str(torch_file.find_corruption(self.path)))
        spec = json.dumps(self._spec, indent=1, sort_keys=True)
        (self.folder / "spec.json").write_text(spec, encoding="utf-8")
        with self._makers.open("a", encoding="utf-8") as file:
            file.write(f"{run_dir.absolute()}\n")

    def makers(self) -> list[str]:
        """Return the run directories that trained the encoder, in order."""
        if not self._makers.is_file():
            return []
        return self._makers.read_text(encoding="utf-8").splitlines()

    def publish(self, content: dict[str, Any]) -> None:
        """Write encoder.pt atomically and delete the checkpoints."""
        torch_file.save(torch_file.versioned(content), self.path)
        shutil.rmtree(self.checkpoints.parent, ignore_errors=True)

    def _record_failure(self, error: Exception) -> None:
        """Record an error that would occur again."""
        if not isinstance(error, _TRANSIENT):
            text = "".join(traceback.format_exception(error))
            content = f"{error}\n\nin {self.makers()[-1]}\n\n{text}"
            self._failed.write_text(content, encoding="utf-8")

    def is_published(self) -> bool:
        """Return whether encoder.pt exists and is not corrupt."""
        return self.path.exists() and torch_file.find_corruption(self.path) is None

    def _refuse_if_failed(self) -> None:
        if self._failed.is_file():
            reason, _, rest = self._failed.read_text(encoding="utf-8").partition("\n\n")
            raise SharedFailedError(
                f"the pre-training that this run shares failed {rest.partition(chr(10))[0]}: "
                f"{reason}\nIt would fail again. To retry it, delete {self._failed}"
            )


def is_shared(context: StageContext) -> bool:
    """Return whether a run shares its encoder through the cache; by default in a sweep.

    A run that has started its own pre-training continues it.
    """
    if (context.run_dir / "checkpoints" / "pretrain").is_dir():
        return False
    if (share := context.cfg.pretrain.share) is not None:
        return bool(share)
    is_cell = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    return is_cell or IN_SWEEP in os.environ


def find_shared(context: StageContext) -> SharedEncoder | None:
    """Return the cache entry of a run's encoder; None if the run does not share it."""
    if not collectives.decided(lambda: is_shared(context)):
        return None
    config: Any = OmegaConf.to_container(context.cfg, resolve=True)
    views = context.splits.views
    spec = describe(config, {split: own.source.fingerprint for split, own in views.items()})
    if None in spec["data"].values():
        source = views["train"].source.name
        _log.warning("dataset=%s has no fingerprint, so its pre-training is not shared", source)
        return None
    key = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
    return SharedEncoder(Path(config["paths"]["cache"]) / "encoders" / key, spec)
