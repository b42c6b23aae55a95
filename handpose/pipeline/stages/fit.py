"""What the two training stages do alike: fit from the last checkpoint, and describe the result.

The model of another run as the start of this one (`init_from`).
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger
from torch import nn

from handpose.config.start import model_file
from handpose.data.base import Split
from handpose.data.loaders import TargetDataset, ViewDataset
from handpose.distributed import collectives
from handpose.distributed.interrupt import Interrupt
from handpose.evaluation.evaluation import Results
from handpose.pipeline import trainers
from handpose.pipeline.stages.splits import evaluation_loader, training_loader
from handpose.training import checkpoint
from handpose.training.callbacks import NonFiniteGuard, StepCheckpoint, StepSeed
from handpose.training.module import Stage
from handpose.training.run_log import RunLog
from handpose.training.stage_log import StageLog
from handpose.training.step_curves import StepCurves
from handpose.weights.load import describe_misfit


class Fitted(NamedTuple):
    """What a stage's training came to."""

    seconds: float  # those before an interruption included
    skipped_steps: int  # whose gradient was not finite
    best: float | None  # the lowest `monitor`


def fit(
    cfg: DictConfig,
    config: DictConfig,
    stage: Stage,
    datasets: dict[Split, ViewDataset] | dict[Split, TargetDataset],
    *,
    folder: Path,
    loggers: list[Logger],
    monitor: str | None,
    interrupt: Interrupt,
    run_log: RunLog,
    callbacks: Sequence[pl.Callback] = (),
) -> Fitted:
    """Trains `stage`, from the newest whole checkpoint in `folder` where there is one.

    From there it resumes exactly: at the very batch, with the numbers that it would have drawn, and
    with the means of the epoch so far.

    Args:
        cfg: of the run.
        config: of the stage, `cfg.pretrain` or `cfg.finetune`.
        stage: changed in place.
        datasets: its "train" and "val" splits.
        folder: of its checkpoints.
        loggers: where its metrics go.
        monitor: the metric that chooses `best.ckpt`; None for no choice.
        interrupt: tells when to stop.
        run_log: is told how far it is.
        callbacks: of the stage's own.
    """
    interrupt.check()
    folder.mkdir(parents=True, exist_ok=True)
    guard, every = NonFiniteGuard(), cfg.trainer.checkpoint_every_n_steps
    saver = StepCheckpoint(folder, every_n_steps=every, interrupt=interrupt)
    # What a step logs comes before its checkpoint: no resumed run leaves it out.
    curves = StepCurves(cfg.trainer.log_every_n_steps, guard=guard)
    lines = StageLog(run_log, stage.stage, metric=monitor or f"{stage.stage}/val_loss")
    watch = [StepSeed(cfg.seed), guard, curves, lines, saver, *callbacks]
    trainer = trainers.build_trainer(
        cfg, config, folder=folder, monitor=monitor, loggers=loggers, callbacks=watch
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
    interrupt.check()
    best = next(c.best_model_score for c in trainer.checkpoint_callbacks)  # type: ignore[attr-defined]
    return Fitted(stage.seconds, guard.skipped, None if best is None else float(best))


def save_weights(
    cfg: DictConfig, path: Path, content: dict[str, Any], results: Results, *, checkpoints: Path
) -> None:
    """`path` marks the end of a stage: its checkpoints are of no more use, and go if so asked."""
    collectives.wait()  # until nobody reads the checkpoints any more

    def save() -> None:
        checkpoint.save({**content, "meta": _describe(cfg, results)}, path)
        if not cfg.trainer.keep_checkpoints:
            shutil.rmtree(checkpoints, ignore_errors=True)

    collectives.decided(save)


def _describe(cfg: DictConfig, results: Results) -> dict[str, Any]:
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
    state = checkpoint.load(model_file(cfg.init_from))["state_dict"]
    state = {name.removeprefix(part): v for name, v in state.items() if name.startswith(part)}
    if misfit := describe_misfit(module.state_dict(), state, naming="a model of this program"):
        raise ValueError(f"init_from={cfg.init_from} does not fit{misfit}")
    module.load_state_dict(state)
