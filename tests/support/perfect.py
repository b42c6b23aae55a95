"""Perfect predictions, and their evaluation."""

import torch

from handpose.evaluation.evaluation import Evaluation, MeanPoses, collect
from handpose.records import Prediction, Target


def perfect(target: Target) -> Prediction:
    depth, count = target.xyz[:, 0, 2] / target.bone, len(target.bone)
    return Prediction(
        uvz=target.uvz,
        xyz=target.xyz / target.bone[:, None, None],
        root_depth=depth,
        heatmap=torch.empty(count, 0),
        solved_root_depth=depth,
        is_refined=torch.zeros(count, dtype=torch.bool),
        own_uvz=target.uvz,
        log_scale=torch.empty(count, 0),
        confidence=torch.ones(count, 21),
        hand_confidence=torch.ones(count),
    )


def evaluate(
    target: Target, prediction: Prediction | None = None, *, reference_bone: str = "index"
) -> Evaluation:
    poses = MeanPoses(*torch.randn(2, 21, 3, generator=torch.Generator().manual_seed(0)) * 0.05)
    return collect(prediction or perfect(target), target, poses, reference_bone=reference_bone)
