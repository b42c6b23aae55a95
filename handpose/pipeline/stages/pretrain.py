"""Pre-training: unlabelled pairs -> `backbone.pt`.

The online probe of a run: a few labelled crops to fit it to, and others to measure it on.
"""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger
from torch.utils.data import default_collate

from handpose.backbones.base import Backbone
from handpose.config.machine import during
from handpose.data.base import Split
from handpose.data.loaders import TargetDataset, ViewDataset
from handpose.data.sampling import choose_labelled
from handpose.data.subsets import first, occurrence
from handpose.distributed import collectives
from handpose.distributed.interrupt import Interrupt
from handpose.evaluation.embedding_health import HEALTH
from handpose.evaluation.evaluation import Results, finite_or_null
from handpose.pipeline import parts, trainers
from handpose.pipeline.stages.fit import fit, save_weights, start_from_model
from handpose.pipeline.stages.shared_encoder import find_shared, train_or_take
from handpose.pipeline.stages.splits import Splits, evaluation_loader
from handpose.records import Target
from handpose.training import checkpoint
from handpose.training.callbacks import EvaluationStop
from handpose.training.divergence import diverged
from handpose.training.monitors import OnlineProbe
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
    if collectives.decided(path.exists):
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
    backbone = parts.build_backbone(cfg)
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
        objective=parts.build_objective(cfg, backbone, views["train"].augmentations),
        optimizer=parts.build_optimizer(cfg.pretrain.optimizer),
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
    trainer = trainers.build_evaluator(cfg, cfg.pretrain, callbacks)
    (metrics,) = trainer.validate(stage, evaluation_loader(cfg, val), verbose=False)
    names = {name: name.removeprefix("pretrain/").removeprefix("val_") for name in metrics}
    terms = {names[name]: value for name, value in metrics.items()}
    plain = {name: value for name, value in terms.items() if not name.startswith("loss")}
    return finite_or_null(plain, reason="not a finite number on the held-out pairs")


# A regression, and leaving one out, need more than one.
_LEAST = 2


def build_probe(cfg: DictConfig) -> OnlineProbe | None:
    """The probe that `pretrain.probe` asks for, with its crops; None for none.

    Its training crops are of the part of `finetune.dataset` that counts as labelled.

    Raises:
        ValueError: that dataset is not labelled in 3D; names it and says what to do.
    """
    if cfg.pretrain.probe.samples is None:
        return None
    return OnlineProbe(
        train=_targets(cfg, "train", fraction=cfg.finetune.label_fraction),
        val=_targets(cfg, "val", fraction=1.0),
        every_n_epochs=cfg.pretrain.probe.every_n_epochs,
    )


def _targets(cfg: DictConfig, split: Split, *, fraction: float) -> Target:
    """Plain crops, drawn by lot from the split, that have every joint labelled in 3D."""
    source = parts.build_dataset(cfg.finetune.dataset, split, parts.build_caps(cfg))
    refusal = (
        f"pretrain.probe.samples={cfg.pretrain.probe.samples}: the probe needs hands labelled in "
        f"3D, and finetune.dataset={source.name} has {{}} in its split {split}; choose another "
        "one, dataset@finetune.dataset=LABELLED, or pretrain.probe.samples=null"
    )
    if not source.is_labelled:
        raise ValueError(refusal.format("no joints"))
    labelled = choose_labelled(source.identities, fraction=fraction, seed=cfg.seed)
    own = source.identities[labelled]
    names = np.stack((own, occurrence(own)), axis=1)
    places = first(names, cfg.pretrain.probe.samples, seed=cfg.seed)
    crops = TargetDataset(
        source,
        parts.build_augmentation(cfg.evaluate.augment),
        reference_bone=cfg.reference_bone,
        seed=cfg.seed,
        indices=labelled[places],
    )
    # one by one: a loader would draw from the run's random numbers
    target = default_collate([crops[0, place] for place in range(len(crops))])
    complete = target.xyz_valid.all(1) & target.K_valid
    if int(complete.sum()) < _LEAST:
        raise ValueError(refusal.format(f"{int(complete.sum())} complete ones among {len(crops)}"))
    return Target(*(torch.as_tensor(column)[complete] for column in target))
