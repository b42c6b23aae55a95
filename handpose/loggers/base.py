"""What a run gives to its loggers: metrics, images, a table, results and files.

Each logger takes what it can show and ignores the rest. Only rank 0 has loggers other than
metrics.csv.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pytorch_lightning.loggers.logger import Logger

from handpose.evaluation.evaluation import Results


class LoggedImage(NamedTuple):
    """An image with the hands that lie over it. H, W of the image, J = 21 joints."""

    image: np.ndarray  # (H, W, 3) uint8 RGB, without joints
    caption: str
    skeletons: Mapping[str, np.ndarray] = {}  # name -> (J, 2) px of `image`; NaN: not drawn


CellValue = str | float | LoggedImage | None


class Table(NamedTuple):
    """Rows of numbers, texts and images; None: not known."""

    columns: tuple[str, ...]
    rows: tuple[tuple[CellValue, ...], ...]


class RunFile(NamedTuple):
    """A file of a run directory."""

    path: Path
    kind: str  # "backbone", "model" or "report"
    aliases: tuple[str, ...] = ()  # beside those that every file gets


class RunLogger(Logger):
    """A logger of a run; each method is a no-op unless the logger overrides it.

    Attributes:
        images_every_n_epochs: interval of `log_images` while training; None for no images.
        takes_outcome: whether it takes more than metrics.
    """

    images_every_n_epochs: int | None = None
    takes_outcome = True

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """No-op: loggers get the configuration when they are opened."""

    def log_images(self, name: str, images: Sequence[LoggedImage], *, epoch: int) -> None:
        """Log images of an epoch.

        Args:
            name: "<stage>/<what>".
            images: in their order.
            epoch: counted from 0.
        """

    def log_table(self, name: str, table: Table) -> None:
        """Log a table of the evaluation.

        Args:
            name: "<stage>/<what>".
            table: its columns and rows.
        """

    def log_results(self, results: Results, figures: Mapping[str, bytes]) -> None:
        """Log the outcome of the run.

        Args:
            results: content of results.json.
            figures: PNG files of the report, by name.
        """

    def log_files(self, files: Sequence[RunFile], results: Results) -> None:
        """Log files of the run.

        Args:
            files: that exist.
            results: content of results.json, to describe them.
        """


def run_loggers(loggers: Iterable[Logger]) -> list[RunLogger]:
    """Return those of the loggers that take more than metrics."""
    return [logger for logger in loggers if isinstance(logger, RunLogger)]
