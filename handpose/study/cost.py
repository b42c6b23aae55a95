"""An estimate of what the missing runs of a study cost: images of training, and hours.

Images are counted as `pretrain_images` and `finetune_images` of results.json count them: crops, and
two views for each part of an objective. Validation and evaluation are left out.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from handpose.study.planned_runs import planned_configs
from handpose.study.run_grid import STAGES, Batch, Cell, RunGrid, Stage
from handpose.study.schedule import needs
from handpose.study.status import Status

STAGE_NAMES = {"pretrain": "pre-trainings", "tune": "tuning runs", "runs": "final runs"}
_VIEWS = 2  # of an image in pre-training
_PATHS = {"data": "data", "runs": "runs", "cache": "cache"}  # no file is read
# Overrides that do not change the number of images of a run, or by a factor that is known.
_ASIDE = ("head=", "seed=", "backbone.weights=", "finetune.label_fraction=", "evaluate.")


class StageCost(NamedTuple):
    """The missing runs of a stage.

    Attributes:
        runs: number of runs.
        images: largest number of images of training; None if a run's number is unknown.
    """

    runs: int
    images: int | None


class Cost(NamedTuple):
    """The missing runs of a study.

    Attributes:
        stages: of each stage.
        longest: largest number of images that must be trained on one after the other: those of a
            final run and of the runs that it needs; None if unknown.
    """

    stages: dict[Stage, StageCost]
    longest: int | None


def estimate_cost(status: Status) -> Cost:
    """Counts the images of training of the missing runs.

    Args:
        status: the study.
    """
    cells = {stage: status.cells(stage) for stage in STAGES}
    images = images_of(status.grid, [cell for own in cells.values() for cell in own])
    missing = {
        stage: [cell for cell in own if not status.is_finished(cell)]
        for stage, own in cells.items()
    }
    chains = [_chain(status, cell, images) for cell in missing["runs"]]
    stages = {s: StageCost(len(own), _sum(images[c] for c in own)) for s, own in missing.items()}
    return Cost(stages, None if None in chains else max((one for one in chains if one), default=0))


def describe_cost(cost: Cost, images_per_second: float | None) -> list[str]:
    """Returns lines for the terminal.

    Args:
        cost: of the study.
        images_per_second: measured speed of training of one device, over all runs at once; None
            for no hours.
    """
    lines = [
        f"# cost: {stage.runs} {STAGE_NAMES[name]}, {_count(stage.images)} images of training"
        for name, stage in cost.stages.items()
        if stage.runs
    ]
    total = _sum(stage.images for stage in cost.stages.values())
    if None in (total, cost.longest):
        return [*lines, "# cost: unknown without samples_per_epoch of both stages"]
    if images_per_second is None or not lines or total is None or cost.longest is None:
        return lines
    hours, least = (images / images_per_second / 3600 for images in (total, cost.longest))
    return [
        *lines,
        f"# cost at {images_per_second:,g} images/s: {hours:,.1f} hours of one device, without "
        f"validation and evaluation; at least {least:,.1f} hours on any number of devices",
    ]


def images_of(grid: RunGrid, cells: Iterable[Cell]) -> dict[Cell, int | None]:
    """Returns the images of training of each cell, at most; None if that depends on the data.

    Args:
        grid: the runs of the study.
        cells: some of them.
    """
    settings = {cell: _settings(grid, cell) for cell in cells}
    configs = planned_configs({lines: (lines, _PATHS) for lines in set(settings.values())})
    return {cell: _images(cell, configs[lines]) for cell, lines in settings.items()}


def _settings(grid: RunGrid, cell: Cell) -> tuple[str, ...]:
    """Returns the overrides that decide the number of images."""
    lines = grid.overrides(Batch.of(cell))
    return tuple(line for line in lines if not line.startswith(_ASIDE))


def _images(cell: Cell, config: Mapping[str, Any]) -> int | None:
    is_start = cell.stage == "pretrain"
    stage = config["pretrain" if is_start else "finetune"]
    samples = stage["samples_per_epoch"]
    if samples is None:
        whole = stage["dataset"].get("num_train")  # of rendered hands
        if whole is None:
            return None
        samples = whole if is_start else whole * (cell.fraction or 1.0)
    batch = stage["batch_size"]
    batches = max(1, int(samples) // batch)
    parts = len(config["objective"].get("parts") or [None]) if is_start else 1
    return stage["max_epochs"] * batches * batch * parts * (_VIEWS if is_start else 1)


def _chain(status: Status, cell: Cell, images: Mapping[Cell, int | None]) -> int | None:
    """Returns the images of a cell and of the longest run of those that it needs."""
    own = images[cell]
    unfinished = [need for need in needs(status, cell) if not status.is_finished(need)]
    before = [_chain(status, need, images) for need in unfinished]
    if own is None or None in before:
        return None
    return own + max((one for one in before if one is not None), default=0)


def _sum(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _count(images: int | None) -> str:
    return "an unknown number of" if images is None else f"{images:,}"
