"""What the two training stages do alike: fit from the last checkpoint, and describe the result.

The model of another run as the start of this one (`init_from`).
"""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger
from torch import nn

from handpose.config.files import model_file
from handpose.data.base import Split
from handpose.data.loaders import TargetDataset, ViewDataset
from handpose.distributed import collectives
from handpose.distributed.interrupt import Interrupt
from handpose.evaluation.evaluation import Results
from handpose.pipeline import trainers
from handpose.pipeline.stages.splits import Splits, evaluation_loader, training_loader
from handpose.training import checkpoint
from handpose.training.callbacks import NonFiniteGuard, StepCheckpoint, StepSeed
from handpose.training.module import Stage
from handpose.training.run_log import RunLog
from handpose.training.stage_log import StageLog, StepCurves
from handpose.weights import torch_file
from handpose.weights.load import describe_misfit


class Fitted(NamedTuple):
    """What a stage's training came to."""

    seconds: float  # those before an interruption included
    skipped_steps: int  # whose gradient was not finite
    best: float | None  # the lowest `monitor`


class StageContext(NamedTuple):
    """What every stage of a run needs.

    Attributes:
        cfg: the configuration of the run.
        run_dir: its directory.
        splits: its data.
        loggers: where metrics go, metrics.csv first.
        interrupt: whether a signal has come.
        run_log: lines and bars of progress.
    """

    cfg: DictConfig
    run_dir: Path
    splits: Splits
    loggers: list[Logger]
    interrupt: Interrupt
    run_log: RunLog


def fit(
    context: StageContext,
    stage: Stage,
    datasets: dict[Split, ViewDataset] | dict[Split, TargetDataset],
    *,
    folder: Path,
    monitor: str | None = None,
) -> Fitted:
    """Train a stage, from the newest valid checkpoint if there is one.

    It resumes exactly: at the very batch, with the random numbers that it would have drawn, and
    with the means of the epoch so far.

    Args:
        context: of the run.
        stage: changed in place.
        datasets: its "train" and "val" splits.
        folder: of its checkpoints.
        monitor: the metric that chooses `best.ckpt`; None for no `best.ckpt`.
    """
    cfg, config = context.cfg, context.cfg[stage.stage]
    context.interrupt.check()
    folder.mkdir(parents=True, exist_ok=True)
    guard = NonFiniteGuard()
    trainer = trainers.build_trainer(
        cfg,
        config,
        folder=folder,
        monitor=monitor,
        loggers=context.loggers,
        callbacks=_callbacks(context, stage, guard, folder=folder, monitor=monitor),
    )
    path = collectives.decided(lambda: checkpoint.newest_valid(folder))
    batches = 0 if path is None else collectives.decided(lambda: checkpoint.batches_done(path))
    trainer.fit(
        stage,
        training_loader(cfg, config, datasets["train"], batches_done=batches),
        evaluation_loader(cfg, datasets["val"]),
        ckpt_path=path,
        weights_only=True,
    )
    context.interrupt.check()
    best = next(c.best_model_score for c in trainer.checkpoint_callbacks)  # type: ignore[attr-defined]
    return Fitted(stage.seconds, guard.skipped, None if best is None else float(best))


def _callbacks(
    context: StageContext,
    stage: Stage,
    guard: NonFiniteGuard,
    *,
    folder: Path,
    monitor: str | None,
) -> list[pl.Callback]:
    """In this order: a step logs its values before its checkpoint, so that no resume drops them."""
    options = context.cfg.trainer
    every = options.checkpoint_every_n_steps
    return [
        StepSeed(context.cfg.seed),
        guard,
        StepCurves(options.log_every_n_steps, guard=guard),
        StageLog(context.run_log, stage.stage, metric=monitor or f"{stage.stage}/val_loss"),
        StepCheckpoint(folder, every_n_steps=every, interrupt=context.interrupt),
    ]


def save_weights(
    cfg: DictConfig, path: Path, content: dict[str, Any], results: Results, *, checkpoints: Path
) -> None:
    """`path` marks the end of a stage: its checkpoints are of no more use, and go if so asked."""
    collectives.wait()  # until nobody reads the checkpoints any more

    def save() -> None:
        content["meta"] = describe_weights(cfg, results)
        torch_file.save(torch_file.versioned(content), path)
        if not cfg.trainer.keep_checkpoints:
            shutil.rmtree(checkpoints, ignore_errors=True)

    collectives.decided(save)


def describe_weights(cfg: DictConfig, results: Results) -> dict[str, Any]:
    """What a weights file says of itself, in plain values."""
    return {
        "backbone": cfg.backbone.name,
        "objective": cfg.objective.get("_target_"),
        "head": cfg.head.get("_target_"),
        "seed": cfg.seed,
        "results": results,
    }


def start_from_model(cfg: DictConfig, module: nn.Module, *, part: str = "") -> None:
    """Loads the model of `init_from` into `module`, all of it or nothing; no-op without one.

    Args:
        cfg: of the run.
        module: changed in place.
        part: what `module` is of a model, as "backbone."; empty for all of it.

    Raises:
        ValueError: it cannot be read, does not fit, or is not finite; names the first tensors.
    """
    if cfg.init_from is None:
        return
    state = torch_file.load(model_file(cfg.init_from))["state_dict"]
    state = {name.removeprefix(part): v for name, v in state.items() if name.startswith(part)}
    if misfit := describe_misfit(module.state_dict(), state, naming="a model of this program"):
        raise ValueError(f"init_from={cfg.init_from} does not fit{misfit}")
    module.load_state_dict(state)
