"""The folder of an encoder that many runs share: it is published whole or not at all.

FOLDER/encoder.pt     the result: whole, or not there
FOLDER/curves.csv     the curves of its making
FOLDER/spec.json      what it is made from, and so what FOLDER is named after
FOLDER/makers.txt     the run directories that began it, in order; the next resumes there
FOLDER/failed.txt     why it cannot be made: as long as this lies here, nobody tries again
FOLDER/lease          of the run that is at it (see `SharedEncoder`)
FOLDER/stand_by/      the Slurm jobs that wait in the queue (see `StandBy`)
"""

import json
import logging
import os
import traceback
import uuid
from pathlib import Path
from typing import Any

from handpose.data.cache import set_aside
from handpose.training import checkpoint
from handpose.training.loggers import PRETRAINING, curves_of

_log = logging.getLogger(__name__)

# What another attempt might survive, on another machine or at another time.
_PASSING = (OSError, MemoryError, RuntimeError)


class SharedFailedError(ValueError):
    """What this run needs cannot be made; says why, and how to try again."""


class EncoderFolder:
    """One such folder.

    Args:
        folder: named after what decides the encoder.
        spec: what decides it, in plain values.
    """

    def __init__(self, folder: Path, *, spec: dict[str, Any]) -> None:
        self.folder, self._spec = folder, spec
        self.path, self.curves = folder / "encoder.pt", folder / "curves.csv"
        self._failed, self._makers = folder / "failed.txt", folder / "makers.txt"
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, run_dir: Path) -> list[Path]:
        """Notes that a run makes it now; returns those before it, the last first."""
        if os.path.lexists(self.path):
            set_aside(self.path, str(checkpoint.find_damage(self.path)))
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

    def is_over(self) -> bool:
        """Whether it is made, or cannot be."""
        return self.is_there() or self._failed.exists()

    def is_there(self) -> bool:
        """Whether it is made, and whole."""
        return self.path.exists() and checkpoint.find_damage(self.path) is None

    def refuse_if_failed(self) -> None:
        """Raises SharedFailedError where a run before found that it cannot be made."""
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
