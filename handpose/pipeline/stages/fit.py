"""Shared steps of both training stages: resume, fit, save weights, start from `init_from`."""

import logging
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger
from torch import nn

from handpose.backbones.base import Backbone
from handpose.config.checks.folders import model_file
from handpose.config.renamed import PROVENANCE
from handpose.data.base import Split
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.distributed import collectives
from handpose.distributed.interrupt import Interrupt
from handpose.evaluation.evaluation import Results
from handpose.loggers.sample_images import SampleImages
from handpose.model import has_scale
from handpose.pipeline import trainer_flags, trainers
from handpose.pipeline.sessions import Session
from handpose.pipeline.stages.device_batches import device_batches
from handpose.pipeline.stages.splits import Splits, evaluation_loader, training_loader
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
from handpose.weights import torch_file
from handpose.weights.load import describe_misfit

_log = logging.getLogger(__name__)


class Fitted(NamedTuple):
    """Outcome of a stage's training."""

    seconds: float  # of training, including earlier processes
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
    _run(context, trainer, stage, datasets, folder)
    context.interrupt.check()
    best = next(c.best_model_score for c in trainer.checkpoint_callbacks)  # type: ignore[attr-defined]
    best = None if best is None else float(best)
    stopped = describe_stop(stops, trainer, stage.stage)
    return Fitted(stage.seconds, guard.skipped, stopped, best, meter.results(stage.stage))


def _run(
    context: StageContext,
    trainer: pl.Trainer,
    stage: Stage,
    datasets: dict[Split, ViewDataset] | dict[Split, TargetDataset],
    folder: Path,
) -> None:
    """Run the trainer from the newest valid checkpoint in `folder` to the end of the stage."""
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


def save_weights(
    context: StageContext,
    path: Path,
    content: dict[str, Any],
    results: Results,
    *,
    backbone: Backbone,
    checkpoints: Path,
    encoder: dict[str, Any] | None = None,
) -> None:
    """Write the result of a stage; delete its checkpoints unless `trainer.keep_checkpoints`.

    Args:
        context: of the run.
        path: weights file; it marks the end of the stage.
        content: entries of the file.
        results: stored as its metadata.
        backbone: of the weights.
        checkpoints: folder to delete.
        encoder: provenance of an encoder that another run has trained; None if this one has.
    """
    collectives.wait()  # until no rank reads the checkpoints

    def save() -> None:
        content["meta"] = describe_weights(context, results, backbone, encoder=encoder)
        torch_file.save(torch_file.versioned(content), path)
        if not context.cfg.trainer.keep_checkpoints:
            shutil.rmtree(checkpoints, ignore_errors=True)

    collectives.decided(save)


def describe_weights(
    context: StageContext,
    results: Results,
    backbone: Backbone,
    *,
    encoder: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the metadata of a weights file in plain values.

    Args:
        context: of the run.
        results: of the stage.
        backbone: of the weights.
        encoder: provenance of an encoder that another run has trained; None if this one has.
    """
    cfg, session = context.cfg, context.session
    found: dict[str, Any] = {}
    if session is not None:
        session.took(results)
        shared = {} if encoder is None else {"encoder": encoder}
        found[PROVENANCE] = session.block() | shared
    return found | {
        "backbone": cfg.backbone.name,
        "objective": cfg.objective.get("_target_"),
        "head": cfg.head.get("_target_"),
        "seed": cfg.seed,
        "results": results,
        **backbone.statistics,
    }


def start_from_model(
    cfg: DictConfig, module: nn.Module, backbone: Backbone, *, part: str = ""
) -> None:
    """Load the model of `init_from` into `module`, completely or not at all; no-op without one.

    Args:
        cfg: configuration of the run.
        module: changed in place.
        backbone: `module`, or a part of it.
        part: prefix of the module in the whole model, such as "backbone."; empty for the whole.

    Raises:
        ValueError: the file is unreadable, does not fit or is not finite; names the first tensors.
    """
    if cfg.init_from is None:
        return
    content = torch_file.load(model_file(cfg.init_from))
    state = content["state_dict"]
    state = {name.removeprefix(part): v for name, v in state.items() if name.startswith(part)}
    own = module.state_dict()
    state = {name: own[name] for name in own if has_scale([name])} | state  # older ones lack it
    if misfit := describe_misfit(own, state, naming="a model of this program"):
        raise ValueError(f"init_from={cfg.init_from} does not fit{misfit}")
    module.load_state_dict(state)
    backbone.take_statistics(content.get("meta", {}))
