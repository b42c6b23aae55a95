"""Where metrics go: a CSV file always, W&B beside it where asked."""

import csv
import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL.Image
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from handpose.training.interrupt import Interrupted

PRETRAINING = "pretrain/"  # what the names of that stage's values begin with
_COLUMNS = ("epoch", "step", "name", "value")


class CsvLog(Logger):
    """Appends one row a value (epoch, step, name, value) to `path`.

    Rows rather than columns: both stages share the file, and a resumed run only adds to it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        is_new = not self.path.exists()
        epoch = metrics.get("epoch")
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(_COLUMNS)
            writer.writerows(
                (epoch, step, name, value) for name, value in metrics.items() if name != "epoch"
            )

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The configuration lies in the run directory already."""


def read_curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """metrics.csv -> {name: [(epoch, value), ...]}; of a repeated epoch the last value."""
    curves: dict[str, dict[int, float]] = {}
    for row in _rows(path):
        if row["epoch"]:
            curves.setdefault(row["name"], {})[int(float(row["epoch"]))] = float(row["value"])
    return {name: sorted(values.items()) for name, values in curves.items()}


def curves_of(path: Path, stage: str) -> str:
    """The rows of metrics.csv whose names begin with `stage`, as CSV with its head."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for row in _rows(path) if row["name"].startswith(stage))
    return text.getvalue()


def add_curves(text: str, path: Path) -> None:
    """Adds rows (as `curves_of` gives them) to metrics.csv, but for those that it has already."""
    known = {tuple(row[c] for c in _COLUMNS[:-1]) for row in _rows(path)}
    rows = csv.DictReader(io.StringIO(text))
    new = [row for row in rows if tuple(row[c] for c in _COLUMNS[:-1]) not in known]
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerows(new)


def _rows(path: Path) -> list[dict[str, str]]:
    """The whole rows of metrics.csv: a process that is killed while it writes leaves half a one."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["value"]]


@contextmanager
def wandb_logger(
    run_dir: Path, *, config: dict[str, Any], mode: str, **settings: Any
) -> Iterator[WandbLogger]:
    """One W&B run for the run directory, the same one when it is resumed; finished on leaving.

    Args:
        run_dir: its files go to `run_dir`/wandb; its id is kept in `run_dir`/wandb_id.
        config: the resolved configuration.
        mode: "online" or "offline".
        **settings: of `wandb.init`: project, entity, group, job_type, tags, name.
    """
    import wandb

    id_file = run_dir / "wandb_id"
    if not id_file.exists():
        id_file.write_text(uuid.uuid4().hex[:8])
    logger = WandbLogger(
        save_dir=run_dir,
        offline=mode == "offline",
        id=id_file.read_text(),
        resume="allow",
        config=config,
        **settings,
    )
    try:
        yield logger
    except Interrupted as interrupted:
        logger.experiment.mark_preempting()
        wandb.finish(exit_code=int(interrupted.code or 1))
        raise
    finally:
        wandb.finish()


def log_to_wandb(logger: WandbLogger, results: dict[str, Any], figures: dict[str, bytes]) -> None:
    """The results as the run's summary, and the report's pictures."""
    logger.experiment.summary.update(results)
    for name, content in figures.items():
        logger.log_image(f"report/{name}", [PIL.Image.open(io.BytesIO(content))])
