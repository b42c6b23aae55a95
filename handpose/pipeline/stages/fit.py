"""Train a stage of either kind, from its newest checkpoint if there is one."""

import logging
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger

from handpose.data.base import Split
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.distributed import collectives
from handpose.distributed.interrupt import Interrupt
from handpose.evaluation.evaluation import Results
from handpose.loggers.sample_images import SampleImages
from handpose.pipeline import trainer_flags, trainers
from handpose.pipeline.sessions import Session
from handpose.pipeline.stages.device_batches import device_batches
from handpose.pipeline.stages.splits import Splits
from handpose.pipeline.stages.stage_loaders import evaluation_loader, training_loader
from handpose.pipeline.stages.stops import build_stops, describe_stop
from handpose.training import checkpoint
from handpose.training.cadence import Cadence
from handpose.training.callbacks import StepCheckpoint, StepSeed
from handpose.training.compilation import EagerValidation, compiled
from handpose.training.guard import NonFiniteGuard
from handpose.training.module import Stage
from handpose.training.run_log import RunLog
from handpose.training.stage_log import StageLog
from handpose.training.step_curves import StepCurves
from handpose.training.step_meter import StepMeter

_log = logging.getLogger(__name__)


class Fitted(NamedTuple):
    """Outcome of a stage's training."""

    seconds: float  # of training, including earlier processes
    images: int  # trained on: crops, or views of all parts, of all processes and epochs
    skipped_steps: int  # with a non-finite gradient
    stopped: Results  # why and when the stage ended before its last step, for results.json
    best: float | None  # the lowest `monitor`
    speed: Results  # meters of this process, by their names in results.json


class StageContext(NamedTuple):
    """Configuration, data and logging of a run, shared by its stages.

    Attributes:
        cfg: configuration of the run.
        run_dir: run directory.
        splits: datasets of the stages in use.
        loggers: metric loggers, metrics.csv first.
        interrupt: records signals.
        run_log: progress lines and bars.
        session: provenance of the run; None in a stage without one.
    """

    cfg: DictConfig
    run_dir: Path
    splits: Splits
    loggers: list[Logger]
    interrupt: Interrupt
    run_log: RunLog
    session: Session | None = None


def fit(
    context: StageContext,
    stage: Stage,
    datasets: dict[Split, ViewDataset] | dict[Split, TargetDataset],
    *,
    folder: Path,
    monitor: str | None = None,
) -> Fitted:
    """Train a stage, resuming from the newest valid checkpoint if there is one.

    Resuming is exact: same batch, same random numbers, same running means of the epoch.

    Args:
        context: of the run.
        stage: trained in place.
        datasets: "train" and "val" splits.
        folder: folder for checkpoints.
        monitor: metric that chooses `best.ckpt`; None for no `best.ckpt`.
    """
    cfg, config = context.cfg, context.cfg[stage.stage]
    context.interrupt.check()
    folder.mkdir(parents=True, exist_ok=True)
    guard = NonFiniteGuard(Cadence(cfg.trainer.log_every_n_steps))
    meter = StepMeter(guard.cadence)
    stops = build_stops(cfg, stage.stage, monitor=monitor)
    trainer = trainers.build_trainer(
        cfg,
        config,
        folder=folder,
        monitor=monitor,
        loggers=context.loggers,
        callbacks=[
            *_callbacks(context, stage, guard, meter, folder=folder, monitor=monitor),
            *stops,
            SampleImages(datasets["val"]),
        ],
        profiler=trainer_flags.profiler(cfg, context.run_dir, stage.stage),
    )
    images = _run(context, trainer, stage, datasets, folder)
    context.interrupt.check()
    best = next(c.best_model_score for c in trainer.checkpoint_callbacks)  # type: ignore[attr-defined]
    best = None if best is None else float(best)
    stopped = describe_stop(stops, trainer, stage.stage)
    speed = meter.results(stage.stage)
    return Fitted(stage.seconds, images, guard.skipped, stopped, best, speed)


def _run(
    context: StageContext,
    trainer: pl.Trainer,
    stage: Stage,
    datasets: dict[Split, ViewDataset] | dict[Split, TargetDataset],
    folder: Path,
) -> int:
    """Run the trainer from the newest valid checkpoint in `folder` to the end of the stage.

    Returns:
        The images of all its batches, those before a resume included.
    """
    cfg = context.cfg
    path = collectives.decided(lambda: checkpoint.newest_valid(folder))
    batches = 0 if path is None else collectives.decided(lambda: checkpoint.batches_done(path))
    device = trainer.strategy.root_device
    on_device = device_batches(cfg, datasets["train"], device)
    stage.resident = None if on_device is None else on_device.resident
    if cfg.trainer.compile:
        _log.info("compiling the network in the first steps: this takes about a minute")
    training = training_loader(
        cfg,
        cfg[stage.stage],
        datasets["train"],
        batches_done=batches,
        on_device=on_device,
        device=device,
    )
    validation = evaluation_loader(cfg, datasets["val"], device=device)
    trainer.limit_train_batches = trainer_flags.training_batches(cfg, len(training))
    trainer.limit_val_batches = trainer_flags.validation_batches(cfg, len(validation))
    with compiled(stage.networks() if cfg.trainer.compile else []):
        trainer.fit(stage, training, validation, ckpt_path=path, weights_only=True)
    stage.resident = None  # the next stage may need its memory
    done = trainer.fit_loop.epoch_loop.batch_progress.total.completed
    views = len(datasets["train"].augmentations) * datasets["train"].num_views
    return done * (training.batch_size or 1) * collectives.world_size() * views


def _callbacks(
    context: StageContext,
    stage: Stage,
    guard: NonFiniteGuard,
    meter: StepMeter,
    *,
    folder: Path,
    monitor: str | None,
) -> list[pl.Callback]:
    """Build the callbacks; logging precedes checkpoints, so that a resume loses no values."""
    options = context.cfg.trainer
    every = options.checkpoint_every_n_steps
    metric = monitor or f"{stage.stage}/val_loss"
    return [
        meter,
        StepSeed(context.cfg.seed),
        guard,
        StepCurves(guard.cadence, guard=guard, meter=meter),
        StageLog(context.run_log, stage.stage, metric=metric, cadence=guard.cadence, meter=meter),
        StepCheckpoint(folder, every_n_steps=every, interrupt=context.interrupt),
        *([EagerValidation()] if options.compile else []),
    ]
