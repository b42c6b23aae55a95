"""Pre-training: unlabelled pairs -> `backbone.pt`."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger

from handpose import build, ranks
from handpose.backbones.base import Backbone
from handpose.check.machine import during
from handpose.data.base import Split
from handpose.data.loaders import ViewDataset
from handpose.evaluate import Results, finite_or_null
from handpose.representation import HEALTH
from handpose.stages.fit import fit, save_weights
from handpose.stages.probe import build_probe
from handpose.stages.share import find_shared, train_or_take
from handpose.stages.splits import Splits, evaluation_loader
from handpose.stages.start import start_from_model
from handpose.training import checkpoint
from handpose.training.callbacks import EvaluationStop
from handpose.training.divergence import diverged
from handpose.training.interrupt import Interrupt
from handpose.training.pretrainer import Pretrainer
from handpose.training.run_log import RunLog
from handpose.training.stage_log import StageLog

_log = logging.getLogger(__name__)

BACKBONE = "backbone.pt"


@during("pre-training", "pretrain.batch_size", "pretrain.gradient_cache_chunk")
def pretrain(
    cfg: DictConfig,
    splits: Splits,
    run_dir: Path,
    loggers: list[Logger],
    interrupt: Interrupt,
    run_log: RunLog,
) -> tuple[Backbone, Results]:
    """The pre-trained backbone, and the seconds it took beside its errors on held-out pairs.

    With `objective=none` it is the start itself.
    """
    path = run_dir / BACKBONE
    if ranks.decided(path.exists):
        _log.info("pre-training is done: %s", path)
        content, backbone = checkpoint.load(path), _start(cfg)
        backbone.network.load_state_dict(content["state_dict"])
        backbone.decoder = content["decoder"]
        return backbone, content["meta"]["results"]
    folder = run_dir / "checkpoints" / "pretrain"
    train = partial(_train, cfg, splits.views, folder, loggers, interrupt, run_log)
    if not splits.views:
        backbone, results = _start(cfg), Results(pretrain_seconds=0.0)
    elif shared := find_shared(cfg, splits.views):
        backbone, results = train_or_take(
            shared,
            run_dir,
            folder,
            loggers=loggers,
            start=partial(_start, cfg),
            train=train,
            interrupt=interrupt,
        )
    else:
        backbone, results = train()
    content = {"state_dict": backbone.network.state_dict(), "decoder": backbone.decoder}
    save_weights(cfg, path, content, results, checkpoints=folder)
    return backbone, results


def _start(cfg: DictConfig) -> Backbone:
    """The backbone before pre-training, and the seed of what follows."""
    pl.seed_everything(cfg.seed, verbose=False)
    backbone = build.build_backbone(cfg)
    start_from_model(cfg, backbone, part="backbone.")
    return backbone


def _train(
    cfg: DictConfig,
    views: dict[Split, ViewDataset],
    folder: Path,
    loggers: list[Logger],
    interrupt: Interrupt,
    run_log: RunLog,
    callbacks: Sequence[pl.Callback] = (),
) -> tuple[Backbone, Results]:
    backbone = _start(cfg)
    probe = build_probe(cfg)
    stage = Pretrainer(
        backbone=backbone,
        objective=build.build_objective(cfg, backbone, views["train"].augmentations),
        optimizer=build.build_optimizer(cfg.pretrain.optimizer),
        warmup_epochs=cfg.pretrain.warmup_epochs,
        probe=probe,
        gradient_cache_chunk=cfg.pretrain.gradient_cache_chunk,
    )
    untrained = _held_out(cfg, stage, views["val"], interrupt, run_log)
    fitted = fit(
        cfg,
        cfg.pretrain,
        stage,
        views,
        folder=folder,
        loggers=loggers,
        monitor=None,
        interrupt=interrupt,
        run_log=run_log,
        callbacks=callbacks,
    )
    if not all(value.isfinite().all() for value in backbone.state_dict().values()):
        raise diverged("pretrain", "the backbone's weights are not finite")
    decoder = stage.objective.decoder
    backbone.decoder = None if decoder is None else decoder.state_dict()
    trained = _held_out(cfg, stage, views["val"], interrupt, run_log)
    if trained[HEALTH[0]] is None:
        raise diverged("pretrain", "the embeddings of the held-out pairs are not finite")
    return backbone, {
        "pretrain_seconds": fitted.seconds,
        "pretrain_skipped_steps": fitted.skipped_steps,
        **{f"pretext_{name}": value for name, value in trained.items()},
        **{f"pretext_untrained_{name}": value for name, value in untrained.items()},
    }


def _held_out(
    cfg: DictConfig, stage: Pretrainer, val: ViewDataset, interrupt: Interrupt, run_log: RunLog
) -> Results:
    """What is measured on the held-out pairs, in plain units.

    The objective's terms that are no loss, the health of the representation, and the probe.
    """
    callbacks = [StageLog(run_log, stage.stage), EvaluationStop(interrupt)]
    trainer = build.build_evaluator(cfg, cfg.pretrain, callbacks)
    (metrics,) = trainer.validate(stage, evaluation_loader(cfg, val), verbose=False)
    names = {name: name.removeprefix("pretrain/").removeprefix("val_") for name in metrics}
    terms = {names[name]: value for name, value in metrics.items()}
    plain = {name: value for name, value in terms.items() if not name.startswith("loss")}
    return finite_or_null(plain, reason="not a finite number on the held-out pairs")
