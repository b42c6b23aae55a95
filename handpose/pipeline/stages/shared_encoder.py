"""Runs that differ only downstream pre-train one encoder: the first does, the others wait."""

import hashlib
import json
import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger

from handpose.backbones.base import Backbone
from handpose.data.base import Split
from handpose.data.loaders import ViewDataset
from handpose.distributed import collectives
from handpose.distributed.interrupt import Interrupt
from handpose.distributed.processes import OF_A_SWEEP
from handpose.evaluation.evaluation import Results
from handpose.pipeline.stages.encoder_key import describe
from handpose.training import checkpoint
from handpose.training.loggers import PRETRAINING, add_curves, curves_of
from handpose.training.shared import LeaseLostError, LeaseWatch, SharedEncoder
from handpose.training.take_over import go_on_from

T = TypeVar("T")
# Pre-trains in the run's own folders, watched by the callbacks: the encoder, and its results.
Train = Callable[[Sequence[pl.Callback]], tuple[Backbone, Results]]

_log = logging.getLogger(__name__)


def is_shared(cfg: DictConfig) -> bool:
    """Whether this run looks for, and leaves, an encoder in the cache: by default in a sweep."""
    if cfg.pretrain.share is not None:
        return bool(cfg.pretrain.share)
    return _launcher() is not None


def _launcher() -> str | None:
    """The launcher of the sweep that this run is a cell of; None for a run by itself."""
    hydra = HydraConfig.get() if HydraConfig.initialized() else None
    if hydra is not None and hydra.mode == RunMode.MULTIRUN:
        return str(hydra.launcher._target_)
    return os.environ.get(OF_A_SWEEP)


def find_shared(cfg: DictConfig, views: dict[Split, ViewDataset]) -> SharedEncoder | None:
    """The place of the encoder that this run needs; None where it is the run's own affair."""
    if not is_shared(cfg):
        return None
    spec = describe(cfg, {split: dataset.source.fingerprint for split, dataset in views.items()})
    if None in spec["data"].values():
        source = views["train"].source.name
        _log.warning("dataset=%s has no fingerprint: its pre-training is not shared", source)
        return None
    text = json.dumps(spec, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return SharedEncoder(
        Path(cfg.paths.cache) / "encoders" / key,
        spec=spec,
        lease_seconds=cfg.pretrain.lease_seconds,
        patience=_patience(cfg),
    )


def _patience(cfg: DictConfig) -> float:
    """Seconds, without end where the run has no Slurm job to itself, as each cell of a sweep has.

    One that shares its job with others would take them along into the queue. A dead holder is known
    by a lease that is not renewed, which takes a lease to see.
    """
    minutes = cfg.pretrain.give_way_minutes
    if minutes is None or "slurm" not in (_launcher() or "").lower():
        return math.inf
    return max(60 * minutes, 2 * cfg.pretrain.lease_seconds)


def train_or_take(
    shared: SharedEncoder,
    run_dir: Path,
    checkpoints: Path,
    *,
    loggers: Sequence[Logger],
    start: Callable[[], Backbone],
    train: Train,
    interrupt: Interrupt,
) -> tuple[Backbone, Results]:
    """The encoder and its results, as published, by this run or another.

    Args:
        shared: where it is to be found.
        run_dir: of this run; its metrics.csv gets the curves, whoever drew them.
        checkpoints: where `train` keeps its own; those of a maker that died are put there.
        loggers: of the run; they get the curves too.
        start: the encoder before pre-training.
        train: see `Train`.
        interrupt: tells when to stop waiting.

    Raises:
        SharedFailedError: a run before this one failed, and so would this one.
    """
    curves = run_dir / "metrics.csv"
    while (before := _alone(shared.take_turn, run_dir, interrupt)) is not None:
        try:
            _alone(_take_over, before, run_dir, checkpoints, loggers)
            backbone, results = train([LeaseWatch(shared)])
            state = {"state_dict": backbone.network.state_dict(), "decoder": backbone.decoder}
            _alone(shared.publish, state | {"results": results}, curves)
        except LeaseLostError as lost:
            _log.warning("%s; waiting for its encoder", lost)
        except Exception as error:
            _alone(shared.fail, error)
            raise
        finally:
            _alone(shared.release)
    _log.info("pre-training is done: %s", shared.path)
    if collectives.decided(shared.curves.is_file):
        _alone(lambda: add_curves(shared.curves.read_text(), curves, loggers))
    content, backbone = checkpoint.load(shared.path), start()
    backbone.network.load_state_dict(content["state_dict"])
    backbone.decoder = content["decoder"]
    return backbone, content["results"]


def _alone(action: Callable[..., T], *arguments: Any) -> T:
    """What one process does for all that train together, and what comes of it."""
    return collectives.decided(lambda: action(*arguments))


def _take_over(
    makers: list[Path], run_dir: Path, checkpoints: Path, loggers: Sequence[Logger]
) -> None:
    """Checkpoints and curves of the runs that began the encoder before this one."""
    others = [folder for folder in makers if folder != run_dir.absolute()]
    place = checkpoints.relative_to(run_dir)
    go_on_from([folder / place for folder in others], checkpoints)
    for folder in reversed(others):
        theirs = curves_of(folder / "metrics.csv", PRETRAINING)
        add_curves(theirs, run_dir / "metrics.csv", loggers)
