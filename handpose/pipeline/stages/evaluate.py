"""Evaluation: predict a split with a model and collect predictions and ground truth."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from handpose.config.errors import during
from handpose.data.recropped import Recropped
from handpose.data.subsets import first
from handpose.data.targets_dataset import TargetDataset
from handpose.evaluation.evaluation import Evaluation, MeanPoses, Results, collect
from handpose.geometry.align import generalised_procrustes_mean
from handpose.pipeline import parts
from handpose.pipeline.run_directory import MODEL
from handpose.pipeline.stages.finetune import build_stage
from handpose.pipeline.stages.fit import StageContext
from handpose.pipeline.stages.split_predictions import predict_split
from handpose.pipeline.trainer_flags import evaluated_hands
from handpose.skeleton import NUM_JOINTS
from handpose.training.callbacks import EvaluationStop
from handpose.training.finetuner import Finetuner
from handpose.training.stage_log import StageLog
from handpose.training.step_meter import StepMeter
from handpose.weights import torch_file

_MEAN_POSE_HANDS = 5000  # enough for a stable mean


def open_model(cfg: DictConfig, run_dir: Path) -> Finetuner:
    """Load the fine-tuned model of a finished run.

    Args:
        cfg: configuration of the run.
        run_dir: holds `model.pt`.

    Raises:
        ValueError: `model.pt` is corrupt.
    """
    stage = build_stage(cfg, parts.build_backbone(cfg))
    stage.model.take(torch_file.load(run_dir / MODEL))
    return stage


def evaluate(context: StageContext, stage: Finetuner) -> tuple[Evaluation, Results]:
    """Evaluate the model on the evaluated split; return the evaluation, its seconds and meters.

    Args:
        context: of the run.
        stage: fine-tuned model.
    """
    cfg, splits = context.cfg, context.splits
    assert splits.evaluated is not None, "head=none"
    start = time.monotonic()
    mean = mean_poses(splits.labelled["train"])
    meter, stop = StepMeter(), EvaluationStop(context.interrupt)
    callbacks = [meter, StageLog(context.run_log, "evaluate"), stop]
    dataset = splits.evaluated
    dataset = dataset.at(np.arange(evaluated_hands(cfg, len(dataset))))
    evaluation = evaluate_on(cfg, dataset, stage, mean, callbacks)
    seconds = time.monotonic() - start
    return evaluation, {"evaluate_seconds": seconds} | meter.results("evaluate")


@during("evaluation", "evaluate.batch_size")
def evaluate_on(
    cfg: DictConfig,
    dataset: TargetDataset,
    stage: Finetuner,
    mean: MeanPoses,
    callbacks: Sequence[pl.Callback] = (),
) -> Evaluation:
    """Predict `dataset` and collect predictions, ground truth and baselines.

    Args:
        cfg: configuration of the evaluation.
        dataset: labelled split.
        stage: fine-tuned model.
        mean: mean poses for the baselines.
        callbacks: of Lightning's trainer.
    """
    prediction, target = predict_split(cfg, dataset, stage, callbacks)
    return collect(prediction, target, mean, reference_bone=cfg.reference_bone)


def second_pass(dataset: TargetDataset, first: Evaluation) -> TargetDataset:
    """Return the same hands, cropped about the joints that the first pass predicted.

    Args:
        dataset: the whole split.
        first: evaluation of the first pass.
    """
    assert torch.equal(first.index, torch.arange(len(dataset.source))), "not the whole split"
    return TargetDataset(
        Recropped(dataset.source.whole, first.uv.numpy()),
        dataset.augmentation,
        reference_bone=dataset.reference_bone,
        seed=dataset.seed,
        indices=dataset.indices,
    )


def mean_poses(training: TargetDataset) -> MeanPoses:
    """Compute the mean poses of the labelled part and of the whole training split."""
    source = training.source
    return MeanPoses(_mean_pose(source.poses(training.indices)), _mean_pose(source.poses()))


def _mean_pose(poses: np.ndarray) -> torch.Tensor:
    """Return the Procrustes mean (J, 3) of complete poses (M, J, 3), metres; (0, 3) if M is 0."""
    if len(poses) == 0:
        return torch.empty(0, 3)
    numbers = np.ascontiguousarray(poses.reshape(len(poses), -1), dtype=np.float64).view(np.int64)
    chosen = first(numbers, _MEAN_POSE_HANDS, seed=0)
    mean = generalised_procrustes_mean(torch.from_numpy(np.asarray(poses[chosen])).double())
    assert mean.shape == (NUM_JOINTS, 3)
    return mean
