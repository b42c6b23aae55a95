"""Fine-tuning: train backbone and head on labelled crops and write `model.pt`."""

import logging
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig

from handpose.backbones.base import Backbone
from handpose.config.errors import during
from handpose.distributed import collectives
from handpose.evaluation.evaluation import Results
from handpose.model import has_scale
from handpose.pipeline import parts
from handpose.pipeline.run_directory import MODEL
from handpose.pipeline.stages.calibrate import calibrate
from handpose.pipeline.stages.fit import StageContext, fit
from handpose.pipeline.stages.split_predictions import predict_split
from handpose.pipeline.stages.stage_weights import save_weights, start_from_model
from handpose.training.adapt_norm import AdaptNorm
from handpose.training.callbacks import EvaluationStop
from handpose.training.checkpoint import newest_valid
from handpose.training.finetuner import Finetuner
from handpose.weights import torch_file

_log = logging.getLogger(__name__)


@during("fine-tuning", "finetune.batch_size")
def finetune(context: StageContext, backbone: Backbone) -> tuple[Finetuner, Results]:
    """Train the model, or load it; return the best one on the validation split and its results.

    Args:
        context: of the run.
        backbone: trained in place.
    """
    cfg, labelled = context.cfg, context.splits.labelled
    pl.seed_everything(cfg.seed, verbose=False)
    stage = begin(cfg, backbone)
    path = context.run_dir / MODEL
    if collectives.decided(path.exists):
        _log.info("fine-tuning is done: %s", path)
        content = torch_file.load(path)
        stage.model.take(content)
        stage.average = None  # the file has the averaged weights
        return stage, content["meta"]["results"]
    folder = context.run_dir / "checkpoints" / "finetune"
    monitor = Finetuner.monitor(in_3d=labelled["val"].source.has_aligned_error)
    _match_checkpoint(stage, folder)
    fitted = fit(context, stage, labelled, folder=folder, monitor=monitor)
    stage.load_state_dict(torch_file.load(folder / "best.ckpt")["state_dict"])
    stage.adopt_average()
    results: Results = {
        "finetune_seconds": fitted.seconds,
        "finetune_images": fitted.images,
        "finetune_skipped_steps": fitted.skipped_steps,
        **fitted.stopped,
        **fitted.speed,
        monitor.rpartition("/")[-1]: fitted.best,
    }
    stop = EvaluationStop(context.interrupt)
    if cfg.finetune.calibrate:
        results["n_calibration"] = calibrate(cfg, labelled["val"], stage, [stop])
    else:
        stage.model.confidence_note = "not calibrated: finetune.calibrate=false"
    for pool in context.splits.unlabelled.values():
        predict_split(cfg, pool, stage, [AdaptNorm(), stop])
        results["n_adapt_norm"] = len(pool)
    if note := stage.model.confidence_note:
        results["confidence_note"] = note
    model = stage.model
    save_weights(
        context, path, model.content(), results, backbone=model.backbone, checkpoints=folder
    )
    return stage, results


def _match_checkpoint(stage: Finetuner, folder: Path) -> None:
    """Drop the layer for the scale of the error if the run began before there was one."""
    path = collectives.decided(lambda: newest_valid(folder))
    if stage.model.head.scale is None or path is None:
        return
    if not has_scale(torch_file.load(path)["state_dict"]):
        stage.model.head.scale = None
        _log.warning("this run began before heads had a scale of their error; it stays without")


def begin(cfg: DictConfig, backbone: Backbone) -> Finetuner:
    """Build the stage before its first step, with the weights of `init_from` or the decoder.

    Args:
        cfg: configuration of the run.
        backbone: may carry the decoder of the pre-training.

    Raises:
        ValueError: the weights have another shape.
    """
    stage = build_stage(cfg, backbone)
    start_from_model(cfg, stage.model, stage.model.backbone)
    if cfg.finetune.transfer_decoder and backbone.decoder is not None:
        stage.model.head.take_decoder(backbone.decoder)
    if cfg.finetune.average_decay is not None:
        stage.start_average(cfg.finetune.average_decay)
    return stage


def build_stage(cfg: DictConfig, backbone: Backbone) -> Finetuner:
    """Build the Lightning module of fine-tuning.

    Args:
        cfg: configuration of the run.
        backbone: part of the model, not copied.
    """
    return Finetuner(
        model=parts.build_model(cfg, backbone),
        optimizer=parts.build_optimizer(cfg.finetune.optimizer),
        warmup_epochs=cfg.finetune.warmup_epochs,
        layer_decay=cfg.finetune.layer_decay,
    )
