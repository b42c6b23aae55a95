"""TensorBoard's event files in a run directory."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from handpose.evaluation.evaluation import Results
from handpose.loggers.base import CellValue, LoggedImage, RunLogger, Table
from handpose.loggers.metric_axes import EPOCH_AXIS, axis_of
from handpose.loggers.naming import Identity
from handpose.loggers.outcome import numbers
from handpose.loggers.overlays import drawn

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"  # in a run directory


class TensorBoardLog(RunLogger):
    """Log to TensorBoard; joints are drawn into the images.

    Args:
        writer: of the event files.
        images_every_n_epochs: see `RunLogger`.
    """

    def __init__(self, writer: "SummaryWriter", *, images_every_n_epochs: int | None) -> None:
        super().__init__()
        self.writer = writer
        self.images_every_n_epochs = images_every_n_epochs

    @property
    def name(self) -> str:
        return "tensorboard"

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        epoch = metrics.get(EPOCH_AXIS)
        for name, value in metrics.items():
            place = epoch if axis_of(name) == EPOCH_AXIS else step
            if name != EPOCH_AXIS:
                self.writer.add_scalar(name, value, None if place is None else int(place))

    def log_images(self, name: str, images: Sequence[LoggedImage], *, epoch: int) -> None:
        for place, image in enumerate(images):
            self._add_image(f"{name}/{place}", drawn(image), epoch)

    def _add_image(self, name: str, image: np.ndarray, epoch: int = 0) -> None:
        self.writer.add_image(name, image, epoch, dataformats="HWC")

    def log_table(self, name: str, table: Table) -> None:
        """Log the images, and the rest of the rows as a text."""
        texts = [[_text(cell) for cell in row] for row in table.rows]
        lines = [table.columns, ["---"] * len(table.columns), *texts]
        self.writer.add_text(name, "\n".join(f"| {' | '.join(line)} |" for line in lines))
        for place, row in enumerate(table.rows):
            for cell in row:
                if isinstance(cell, LoggedImage):
                    self._add_image(f"{name}/{place}", drawn(cell))

    def log_results(self, results: Results, figures: Mapping[str, bytes]) -> None:
        for name, value in numbers(results).items():
            self.writer.add_scalar(f"results/{name}", value)
        for name, content in figures.items():
            image = PIL.Image.open(io.BytesIO(content)).convert("RGB")
            self._add_image(f"report/{name}", np.asarray(image))


def _text(cell: CellValue) -> str:
    if isinstance(cell, LoggedImage):
        return cell.caption
    return f"{cell:.4g}" if isinstance(cell, int | float) else cell or ""


@contextmanager
def opened_tensorboard(
    run_dir: Path, identity: Identity, *, images_every_n_epochs: int | None
) -> Iterator[TensorBoardLog]:
    """Write event files to `run_dir`/tensorboard; a resumed run adds one.

    Args:
        run_dir: of the run.
        identity: shown as a text.
        images_every_n_epochs: see `RunLogger`.
    """
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(run_dir / FOLDER)) as writer:
        rows = "\n".join(f"| {name} | {value} |" for name, value in identity.choices.items())
        writer.add_text("choices", f"| part | choice |\n| --- | --- |\n{rows}")
        yield TensorBoardLog(writer, images_every_n_epochs=images_every_n_epochs)
