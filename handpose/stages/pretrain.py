"""Pre-training: unlabelled pairs -> `backbone.pt`."""

import logging
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger

from handpose import build, ranks
from handpose.backbones.base import Backbone
from handpose.data.base import Split
from handpose.data.loaders import ViewDataset
from handpose.evaluate import Results, finite_or_null
from handpose.stages.fit import fit, save_weights
from handpose.stages.probe import build_probe
from handpose.stages.splits import Splits, evaluation_loader
from handpose.training import checkpoint
from handpose.training.interrupt import Interrupt
from handpose.training.pretrainer import Pretrainer
from handpose.training.probe import OnlineProbe

_log = logging.getLogger(__name__)

BACKBONE = "backbone.pt"


def pretrain(
    cfg: DictConfig,
    splits: Splits,
    run_dir: Path,
    loggers: list[Logger],
    interrupt: Interrupt,
) -> tuple[Backbone, Results]:
    """The pre-trained backbone, and the seconds it took beside its errors on held-out pairs.

    With `objective=none` it is the start itself.
    """
    pl.seed_everything(cfg.seed, verbose=False)
    backbone = build.build_backbone(cfg)
    path = run_dir / BACKBONE
    if ranks.decided(path.exists):
        _log.info("pre-training is done: %s", path)
        content = checkpoint.load(path)
        backbone.network.load_state_dict(content["state_dict"])
        return backbone, content["meta"]["results"]
    results: Results = {"pretrain_seconds": 0.0}
    folder = run_dir / "checkpoints" / "pretrain"
    if splits.views:
        probe = build_probe(cfg)
        results = _train(cfg, splits.views, folder, loggers, backbone, probe, interrupt)
    save_weights(cfg, path, backbone.network, results, checkpoints=folder)
    return backbone, results


def _train(
    cfg: DictConfig,
    views: dict[Split, ViewDataset],
    folder: Path,
    loggers: list[Logger],
    backbone: Backbone,
    probe: OnlineProbe | None,
    interrupt: Interrupt,
) -> Results:
    stage = Pretrainer(
        backbone=backbone,
        objective=build.build_objective(cfg, backbone, views["train"].augmentations),
        optimizer=build.build_optimizer(cfg.pretrain.optimizer),
        warmup_epochs=cfg.pretrain.warmup_epochs,
        probe=probe,
        gradient_cache_chunk=cfg.pretrain.gradient_cache_chunk,
    )
    untrained = _held_out(cfg, stage, views["val"])
    fitted = fit(
        cfg,
        cfg.pretrain,
        stage,
        views,
        folder=folder,
        loggers=loggers,
        monitor=None,
        interrupt=interrupt,
    )
    if not all(value.isfinite().all() for value in backbone.state_dict().values()):
        raise ValueError(
            "pre-training diverged: the backbone's weights are not finite. "
            "Lower optimizer.lr or lengthen pretrain.warmup_epochs, in a new run directory."
        )
    trained = _held_out(cfg, stage, views["val"])
    return {
        "pretrain_seconds": fitted.seconds,
        "pretrain_skipped_steps": fitted.skipped_steps,
        **{f"pretext_{name}": value for name, value in trained.items()},
        **{f"pretext_untrained_{name}": value for name, value in untrained.items()},
    }


def _held_out(cfg: DictConfig, stage: Pretrainer, val: ViewDataset) -> Results:
    """What is measured on the held-out pairs, in plain units.

    The objective's terms that are no loss, the health of the representation, and the probe.
    """
    trainer = build.build_trainer(cfg, cfg.pretrain, folder=None, monitor=None, loggers=[])
    (metrics,) = trainer.validate(stage, evaluation_loader(cfg, val), verbose=False)
    names = {name: name.removeprefix("pretrain/").removeprefix("val_") for name in metrics}
    terms = {names[name]: value for name, value in metrics.items()}
    plain = {name: value for name, value in terms.items() if not name.startswith("loss")}
    return finite_or_null(plain, reason="not a finite number on the held-out pairs")
