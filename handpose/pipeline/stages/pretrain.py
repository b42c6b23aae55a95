"""Pre-training: train the backbone on unlabelled pairs, with an optional probe."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from torch.utils.data import default_collate

from handpose.backbones.base import Backbone
from handpose.config.errors import during
from handpose.config.renamed import PROVENANCE
from handpose.data.base import Split
from handpose.data.sampling import choose_labelled
from handpose.data.subsets import first, occurrence
from handpose.data.targets_dataset import TargetDataset
from handpose.distributed import collectives
from handpose.evaluation.embedding_health import HEALTH
from handpose.evaluation.evaluation import Results, finite_or_null
from handpose.loggers.csv_log import CsvLog, add_curves
from handpose.pipeline import parts, trainers
from handpose.pipeline.run_directory import BACKBONE
from handpose.pipeline.stages.fit import StageContext, fit
from handpose.pipeline.stages.shared_encoder import SharedEncoder, find_shared
from handpose.pipeline.stages.stage_loaders import evaluation_loader
from handpose.pipeline.stages.stage_weights import (
    describe_weights,
    save_weights,
    start_from_model,
)
from handpose.pipeline.trainer_flags import validation_batches
from handpose.records import Target
from handpose.training.callbacks import EvaluationStop
from handpose.training.divergence import diverged
from handpose.training.monitors import OnlineProbe
from handpose.training.pretrainer import Pretrainer
from handpose.training.stage_log import StageLog
from handpose.weights import torch_file

_log = logging.getLogger(__name__)


@during("pre-training", "pretrain.batch_size", "pretrain.gradient_cache_chunk")
def pretrain(context: StageContext) -> tuple[Backbone, Results]:
    """Train or load the backbone; return it with its seconds and errors on held-out pairs.

    With `objective=none`, return the untrained backbone.
    """
    cfg, path = context.cfg, context.run_dir / BACKBONE
    if collectives.decided(path.exists):
        return _load(cfg, path)[:2]
    encoder = None
    folder = context.run_dir / "checkpoints" / "pretrain"
    if not context.splits.views:
        backbone, results = _start(cfg), Results(pretrain_seconds=0.0)
    elif shared := find_shared(context):
        backbone, results, encoder = _train_once(context, shared)
    else:
        backbone, results = _train(context, folder)
    content = _content(backbone)
    save_weights(
        context, path, content, results, backbone=backbone, checkpoints=folder, encoder=encoder
    )
    return backbone, results


class _Loaded(NamedTuple):
    """An encoder, its results, and how it came about: None if this run has trained it."""

    backbone: Backbone
    results: Results
    provenance: dict[str, Any] | None


def _train_once(context: StageContext, shared: SharedEncoder) -> _Loaded:
    """Take the encoder from the cache, or train it there if no run has."""
    with shared.claimed(context.run_dir, context.interrupt) as is_maker:
        own = context.run_dir / "metrics.csv"
        collectives.decided(lambda: add_curves(shared.curves, own, context.loggers))
        if not is_maker:
            return _load(context.cfg, shared.path)
        loggers = [*context.loggers, CsvLog(shared.curves)]
        backbone, results = _train(context._replace(loggers=loggers), shared.checkpoints)
        meta = describe_weights(context, results, backbone)
        collectives.decided(lambda: shared.publish(_content(backbone) | {"meta": meta}))
        return _Loaded(backbone, results, None)


def _load(cfg: DictConfig, path: Path) -> _Loaded:
    _log.info("pre-training is done: %s", path)
    content, backbone = torch_file.load(path), _start(cfg)
    backbone.network.load_state_dict(content["state_dict"])
    backbone.decoder = content["decoder"]
    meta = content["meta"]
    backbone.take_statistics(meta)
    return _Loaded(backbone, meta["results"], meta.get(PROVENANCE))


def _content(backbone: Backbone) -> dict[str, Any]:
    return {"state_dict": backbone.network.state_dict(), "decoder": backbone.decoder}


def _start(cfg: DictConfig) -> Backbone:
    """Seed the run and build the backbone before pre-training."""
    pl.seed_everything(cfg.seed, verbose=False)
    backbone = parts.build_backbone(cfg)
    start_from_model(cfg, backbone, backbone, part="backbone.")
    return backbone


def build_pretrainer(context: StageContext) -> Pretrainer:
    """Seed the run and build the module of its pre-training from the start weights."""
    cfg, backbone = context.cfg, _start(context.cfg)
    probe = build_probe(cfg)
    augmentations = context.splits.views["train"].augmentations
    return Pretrainer(
        backbone=backbone,
        objective=parts.build_objective(cfg, backbone, augmentations),
        optimizer=parts.build_optimizer(cfg.pretrain.optimizer),
        warmup_epochs=cfg.pretrain.warmup_epochs,
        probe=probe,
        gradient_cache_chunk=cfg.pretrain.gradient_cache_chunk,
    )


def _train(context: StageContext, folder: Path) -> tuple[Backbone, Results]:
    views, stage = context.splits.views, build_pretrainer(context)
    backbone = stage.backbone
    untrained = _held_out(context, stage)
    fitted = fit(context, stage, views, folder=folder)
    if not all(value.isfinite().all() for value in backbone.state_dict().values()):
        raise diverged("pretrain", "the backbone's weights are not finite")
    decoder = stage.objective.decoder
    backbone.decoder = None if decoder is None else decoder.state_dict()
    trained = _held_out(context, stage)
    if trained[HEALTH[0]] is None:
        raise diverged("pretrain", "the embeddings of the held-out pairs are not finite")
    return backbone, {
        "pretrain_seconds": fitted.seconds,
        "pretrain_images": fitted.images,
        "pretrain_skipped_steps": fitted.skipped_steps,
        **fitted.stopped,
        **fitted.speed,
        **{f"pretext_{name}": value for name, value in trained.items()},
        **{f"pretext_untrained_{name}": value for name, value in untrained.items()},
    }


def _held_out(context: StageContext, stage: Pretrainer) -> Results:
    """Measure the held-out pairs: the objective's errors, embedding health and probe."""
    cfg = context.cfg
    callbacks = [StageLog(context.run_log, stage.stage), EvaluationStop(context.interrupt)]
    trainer = trainers.build_evaluator(cfg, cfg.pretrain, callbacks)
    pairs = evaluation_loader(cfg, context.splits.views["val"])
    trainer.limit_val_batches = validation_batches(cfg, len(pairs))
    (metrics,) = trainer.validate(stage, pairs, verbose=False)
    names = {name: name.removeprefix("pretrain/").removeprefix("val_") for name in metrics}
    terms = {names[name]: value for name, value in metrics.items()}
    plain = {name: value for name, value in terms.items() if not name.startswith("loss")}
    return finite_or_null(plain, reason="not a finite number on the held-out pairs")


# Ridge regression with leave-one-out needs two samples.
_LEAST = 2


def build_probe(cfg: DictConfig) -> OnlineProbe | None:
    """Build the probe of `pretrain.probe` with its crops; None if it is disabled.

    Its training crops come from the labelled part of `finetune.dataset`.

    Raises:
        ValueError: that dataset has no 3D labels.
    """
    if cfg.pretrain.probe.samples is None:
        return None
    return OnlineProbe(
        train=_targets(cfg, "train", fraction=cfg.finetune.label_fraction),
        val=_targets(cfg, "val", fraction=1.0),
        every_n_epochs=cfg.pretrain.probe.every_n_epochs,
    )


def _targets(cfg: DictConfig, split: Split, *, fraction: float) -> Target:
    """Draw random crops with complete 3D labels from a split."""
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
    # No loader: it would consume the run's random numbers.
    target = default_collate([crops[0, place] for place in range(len(crops))])
    complete = target.xyz_valid.all(1) & target.K_valid
    if int(complete.sum()) < _LEAST:
        raise ValueError(refusal.format(f"{int(complete.sum())} complete ones among {len(crops)}"))
    return Target(*(torch.as_tensor(column)[complete] for column in target))
