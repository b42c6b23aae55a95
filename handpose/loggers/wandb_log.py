"""The W&B run of a run directory: curves, images, tables, the summary and artifacts."""

import io
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image

from handpose.distributed.interrupt import Interrupted
from handpose.evaluation.evaluation import Results
from handpose.loggers.base import LoggedImage, RunFile, RunLogger, Table
from handpose.loggers.metric_axes import EPOCH_AXIS, STEP_AXIS, axis_of, best_of
from handpose.loggers.naming import Identity
from handpose.loggers.outcome import main_numbers, numbers
from handpose.loggers.overlays import CLASSES, mask_of
from handpose.loggers.wandb_client import import_wandb

if TYPE_CHECKING:
    import wandb

ID = "wandb_id"  # file of a run directory
_DATA = "WANDB_DATA_DIR"  # where W&B keeps the files of tables until they are uploaded


class WandbLog(RunLogger):
    """Log to a W&B run.

    Each curve has its own x axis, the epoch or the optimizer step of its stage, and its best value
    in the summary.

    Args:
        run: the open W&B run.
        images_every_n_epochs: see `RunLogger`.
        log_model: whether weights and the report become artifacts.
    """

    def __init__(
        self, run: "wandb.Run", *, images_every_n_epochs: int | None, log_model: bool
    ) -> None:
        super().__init__()
        self.run = run
        self.images_every_n_epochs = images_every_n_epochs
        self.log_model = log_model
        self._defined: set[str] = set()
        for axis in (EPOCH_AXIS, STEP_AXIS):
            run.define_metric(axis, hidden=True, summary="none")

    @property
    def name(self) -> str:
        return "wandb"

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        values = {name: value for name, value in metrics.items() if name != EPOCH_AXIS}
        axes = {EPOCH_AXIS: metrics.get(EPOCH_AXIS), STEP_AXIS: step}
        for name in values:
            if name not in self._defined:
                self._define(name, best_of(name))
        self.run.log(values | {name: place for name, place in axes.items() if place is not None})

    def _define(self, name: str, best: str | None) -> None:
        """Tell W&B the axis of a curve, and which value the summary keeps; None: the last."""
        self._defined.add(name)
        self.run.define_metric(name, step_metric=axis_of(name), step_sync=False, summary=best)

    def log_images(self, name: str, images: Sequence[LoggedImage], *, epoch: int) -> None:
        if name not in self._defined:
            self._define(name, None)
        self.run.log({name: [as_image(image) for image in images], EPOCH_AXIS: epoch})

    def log_table(self, name: str, table: Table) -> None:
        wandb = import_wandb()
        rows = [
            [as_image(cell) if isinstance(cell, LoggedImage) else cell for cell in row]
            for row in table.rows
        ]
        self.run.log({name: wandb.Table(columns=list(table.columns), data=rows)})

    def log_results(self, results: Results, figures: Mapping[str, bytes]) -> None:
        wandb = import_wandb()
        shown: dict[str, Any] = dict(main_numbers(results))  # as bars that compare runs
        for name, content in figures.items():
            shown[f"report/{name}"] = wandb.Image(PIL.Image.open(io.BytesIO(content)))
        self.run.log(shown)
        self.run.summary.update(numbers(results))

    def log_files(self, files: Sequence[RunFile], results: Results) -> None:
        wandb = import_wandb()
        for file in files if self.log_model else ():
            artifact = wandb.Artifact(
                f"{file.kind}-{self.run.id}",
                type="report" if file.kind == "report" else "model",
                metadata=main_numbers(results),
            )
            # No copy: the file stays in the run directory until it is uploaded.
            artifact.add_file(str(file.path), policy="immutable", skip_cache=True)
            aliases = ["latest", _alias(str(self.run.name)), *file.aliases]
            self.run.log_artifact(artifact, aliases=aliases)


def as_image(logged: LoggedImage) -> "wandb.Image":
    """Convert to W&B's image, whose viewer shows and hides each finger of each skeleton.

    Args:
        logged: the image with its skeletons, which become masks: W&B has no keypoints.
    """
    wandb = import_wandb()
    masks = {
        name: {"mask_data": mask_of(uv, logged.image.shape), "class_labels": CLASSES}
        for name, uv in logged.skeletons.items()
    }
    return wandb.Image(PIL.Image.fromarray(logged.image), caption=logged.caption, masks=masks)


def _alias(name: str) -> str:
    """Return a name without the characters that an alias cannot have."""
    return name.replace("/", "-").replace(":", "-")


@contextmanager
def opened_wandb(
    run_dir: Path,
    identity: Identity,
    *,
    config: dict[str, Any],
    commit: str | None,
    mode: str,
    images_every_n_epochs: int | None,
    log_model: bool,
    **settings: Any,
) -> Iterator[WandbLog]:
    """Open the W&B run of the run directory, or resume it; finish it after the block.

    Args:
        run_dir: files go to `run_dir`/wandb, the run's id to `run_dir`/wandb_id.
        identity: name, group, job type and tags, where `settings` has none.
        config: of the run, in plain values.
        commit: of the code; None: W&B looks for the commit of the working directory.
        mode: "online", "offline" or "disabled"; WANDB_MODE counts for "online".
        images_every_n_epochs: see `RunLogger`.
        log_model: see `WandbLog`.
        **settings: of `wandb.init`: project, entity, group, job_type, tags, name.
    """
    wandb = import_wandb()
    listed = {name: settings.pop(name) for name in ("name", "group", "job_type")}
    own = {name: value or getattr(identity, name) for name, value in listed.items()}
    run = wandb.init(
        dir=run_dir,
        id=_run_id(run_dir),
        resume="allow",
        config=config,
        mode=None if mode == "online" else mode,
        tags=list(dict.fromkeys([*identity.tags, *settings.pop("tags")])),
        settings=wandb.Settings() if commit is None else wandb.Settings(git_commit=commit),
        **own,
        **settings,
    )
    try:
        with _data_in(run_dir):
            yield WandbLog(run, images_every_n_epochs=images_every_n_epochs, log_model=log_model)
    except Interrupted as interrupted:
        run.mark_preempting()
        run.finish(exit_code=int(interrupted.code or 1))
        raise
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()


@contextmanager
def _data_in(run_dir: Path) -> Iterator[None]:
    """Keep the files of tables in the run directory during the block, not in the user's home."""
    before = os.environ.get(_DATA)
    os.environ[_DATA] = before or str(run_dir.absolute() / "wandb")
    try:
        yield
    finally:
        os.environ.pop(_DATA)
        os.environ |= {} if before is None else {_DATA: before}


def _run_id(run_dir: Path) -> str:
    """Return the id of the run, which stays the same over all resumes."""
    file = run_dir / ID
    if not file.exists():
        # An agent of a W&B sweep tells the id that its server knows.
        file.write_text(os.environ.get("WANDB_RUN_ID") or uuid.uuid4().hex[:8])
    return file.read_text()
