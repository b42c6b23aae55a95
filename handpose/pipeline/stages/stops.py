"""What ends a stage before its last epoch: early stopping, and the time of training."""

import logging
from collections.abc import Sequence

import pytorch_lightning as pl
from omegaconf import DictConfig

from handpose.evaluation.evaluation import Results
from handpose.pipeline.trainer_flags import max_seconds
from handpose.training.stops import EarlyStop, TimeBudget

_log = logging.getLogger(__name__)

Stops = Sequence[EarlyStop | TimeBudget]


def build_stops(cfg: DictConfig, stage: str, *, monitor: str | None) -> Stops:
    """Build the callbacks that end a stage early.

    Args:
        cfg: configuration of the run.
        stage: "pretrain" or "finetune".
        monitor: metric that chooses the best model; None for a stage without.
    """
    stops: list[EarlyStop | TimeBudget] = []
    early = cfg[stage].get("early_stopping")
    if monitor is not None and early is not None and early.patience is not None:
        stops.append(EarlyStop(monitor, patience=early.patience, min_delta=early.min_delta))
    if (seconds := max_seconds(cfg)) is not None:
        stops.append(TimeBudget(seconds))
    return stops


def describe_stop(stops: Stops, trainer: pl.Trainer, stage: str) -> Results:
    """Return why and when a stage ended early as "<stage>_stopped", and log it; empty if not.

    Args:
        stops: from `build_stops`.
        trainer: of the stage, after training.
        stage: "pretrain" or "finetune".
    """
    reasons = [reason for stop in stops if (reason := stop.describe(trainer))]
    if not reasons:
        return {}
    _log.warning("%s: stopped %s; the learning rate had not fallen to 0", stage, reasons[0])
    return {f"{stage}_stopped": reasons[0]}
