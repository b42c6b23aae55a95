"""Calibration of the confidence on the validation split, after fine-tuning."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from torch import Tensor

from handpose.data.targets_dataset import TargetDataset
from handpose.data.without_hand import WithoutHand
from handpose.evaluation import joint_errors
from handpose.evaluation.evaluation import NO_MEAN_POSES, collect
from handpose.evaluation.fit_calibration import LEAST_HANDS, fit_calibration
from handpose.heads.calibration import describe
from handpose.model import PoseModel
from handpose.pipeline.stages.split_predictions import predict_split
from handpose.training.finetuner import Finetuner

_MOST_HANDS = 2000  # the fit takes time cubic in hands and images without one
_WITHOUT = 1500  # images without a hand

_log = logging.getLogger(__name__)


def calibrate(
    cfg: DictConfig,
    hands: TargetDataset,
    stage: Finetuner,
    callbacks: Sequence[pl.Callback] = (),
) -> int:
    """Fit the confidence of the model; with too few hands it stays the head's own, with a note.

    Args:
        cfg: configuration of the run.
        hands: validation split.
        stage: fine-tuned; its model is changed in place.
        callbacks: of Lightning's trainer.

    Returns:
        The number of hands that it is fitted to; 0 if it is not.
    """
    model, hands = stage.model, _at_most(hands, _MOST_HANDS)
    with _described(model) as inputs:
        prediction, target = predict_split(cfg, hands, stage, callbacks)
    evaluation = collect(prediction, target, NO_MEAN_POSES, reference_bone=cfg.reference_bone)
    errors, valid, _ = joint_errors.in_boxes(evaluation)
    known = valid.any(1)
    if (count := int(known.sum())) < LEAST_HANDS:
        model.confidence_note = (
            f"not calibrated: {count} validation hands with labels in 2D, {LEAST_HANDS} needed"
        )
        _log.warning("confidence: %s", model.confidence_note)
        return 0
    with _described(model) as others:
        predict_split(cfg, WithoutHand(hands, _WITHOUT), stage, callbacks)
    model.calibration = fit_calibration(
        torch.cat(inputs)[known], errors[known], valid[known], torch.cat(others)
    )
    model.confidence_note = ""
    return count


def _at_most(hands: TargetDataset, count: int) -> TargetDataset:
    """The split, or hands spread evenly over it."""
    if len(hands) <= count:
        return hands
    return hands.at(np.linspace(0, len(hands) - 1, count).astype(int))


@contextmanager
def _described(model: PoseModel) -> Iterator[list[Tensor]]:
    """Collect the inputs of the calibration from every batch in the block, on the CPU."""
    kept: list[Tensor] = []

    def keep(head: Any, given: tuple[Any, ...], prediction: Any) -> None:
        kept.append(describe(given[0], prediction.confidence).cpu())

    hook = model.head.register_forward_hook(keep)
    try:
        yield kept
    finally:
        hook.remove()
