"""Evaluation: a model and the test split -> predictions beside the truth."""

import time

import numpy as np
import torch
from omegaconf import DictConfig

from handpose import build
from handpose.evaluate import Evaluation, collect
from handpose.geometry.align import generalised_procrustes_mean
from handpose.hand import NUM_JOINTS
from handpose.records import Prediction, Target
from handpose.stages.splits import Splits, evaluation_loader
from handpose.training.finetuner import Finetuner, Scored

_MEAN_POSE_HANDS = 5000  # enough for a mean; more would only take longer


def evaluate(cfg: DictConfig, splits: Splits, stage: Finetuner) -> tuple[Evaluation, float]:
    """All predictions of the test split beside the truth, and the seconds."""
    start = time.monotonic()
    trainer = build.build_trainer(cfg, cfg.finetune, folder=None, monitor=None, loggers=[])
    batches = evaluation_loader(cfg, splits.labelled["test"])
    scored: list[Scored] = trainer.predict(stage, batches)  # type: ignore[assignment]
    prediction = Prediction(*map(torch.cat, zip(*(s.prediction for s in scored), strict=True)))
    target = Target(*map(torch.cat, zip(*(s.target for s in scored), strict=True)))
    training_poses = splits.labelled["train"].source.poses()
    return collect(prediction, target, mean_pose(training_poses)), time.monotonic() - start


def mean_pose(poses: np.ndarray) -> torch.Tensor:
    """The Procrustes mean (J, 3) of complete poses (M, J, 3), metres; (0, 3) if there are none."""
    if len(poses) == 0:
        return torch.empty(0, 3)
    chosen = np.linspace(0, len(poses) - 1, min(len(poses), _MEAN_POSE_HANDS)).astype(int)
    mean = generalised_procrustes_mean(torch.from_numpy(np.asarray(poses[chosen])).double())
    assert mean.shape == (NUM_JOINTS, 3)
    return mean
