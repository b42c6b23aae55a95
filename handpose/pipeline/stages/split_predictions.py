"""Predict every sample of a split once, in order."""

from collections.abc import Sequence

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from handpose.data.targets_dataset import TargetDataset
from handpose.pipeline import trainers
from handpose.pipeline.stages.stage_loaders import evaluation_loader
from handpose.records import Prediction, Target
from handpose.training.finetuner import Finetuner, Scored


def predict_split(
    cfg: DictConfig,
    dataset: TargetDataset,
    stage: Finetuner,
    callbacks: Sequence[pl.Callback] = (),
) -> tuple[Prediction, Target]:
    """Return predictions and targets without images and heatmaps, on the CPU.

    Args:
        cfg: configuration of the evaluation.
        dataset: labelled split.
        stage: fine-tuned model.
        callbacks: of Lightning's trainer.
    """
    trainer = trainers.build_evaluator(cfg, cfg.finetune, callbacks)
    batches = evaluation_loader(cfg, dataset)
    scored: list[Scored] = trainer.predict(stage, batches)  # type: ignore[assignment]
    prediction = Prediction(*map(torch.cat, zip(*(s.prediction for s in scored), strict=True)))
    target = Target(*map(torch.cat, zip(*(s.target for s in scored), strict=True)))
    return prediction, target
