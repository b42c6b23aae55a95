"""Numbers of batches under flags and caps, and the arguments of Lightning's trainer."""

from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from handpose.config.catalogue import Catalogue
from handpose.pipeline.trainer_flags import (
    evaluated_hands,
    passed_on,
    training_batches,
    validation_batches,
)
from handpose.pipeline.trainers import build_evaluator


def cfg(caps: int | None = None, **flags: Any) -> DictConfig:
    trainer = Catalogue().content("trainer", "cpu") | {"precision": "32-true"}
    trainer["lightning"] = trainer["lightning"] | flags
    trainer["caps"] = caps and {"batches": caps}
    stage = {"max_epochs": 1, "accumulate_grad_batches": 1}
    return OmegaConf.create({"trainer": trainer, "finetune": stage, "evaluate": {"batch_size": 10}})


@pytest.mark.parametrize(
    ("caps", "flags", "train", "val"),
    [
        (None, {}, 40, 20),
        (3, {}, 3, 3),
        (None, {"limit_train_batches": 7}, 7, 20),
        (None, {"limit_train_batches": 0.5, "limit_val_batches": 1}, 20, 1),
        (None, {"limit_train_batches": 1.0, "limit_val_batches": 0.01}, 40, 1),
        (3, {"limit_train_batches": 0.05, "limit_val_batches": 0.5}, 2, 3),
        (None, {"overfit_batches": 2}, 2, 2),
        (None, {"limit_train_batches": 1000}, 40, 20),
    ],
)
def test_the_smaller_of_flag_and_cap_counts(
    caps: int | None, flags: dict, train: int, val: int
) -> None:
    config = cfg(caps, **flags)
    assert (training_batches(config, 40), validation_batches(config, 20)) == (train, val)


@pytest.mark.parametrize(("limit", "hands"), [(None, 95), (1, 10), (0.5, 50), (99, 95), (1.0, 95)])
def test_an_evaluation_is_limited_by_batches(limit: float | None, hands: int) -> None:
    assert evaluated_hands(cfg(limit_test_batches=limit), 95) == hands


def test_a_training_gets_its_flags_and_an_evaluation_those_that_reach_it() -> None:
    config = cfg(gradient_clip_val=1.0, benchmark=True, detect_anomaly=True, num_sanity_val_steps=2)
    ours = {"enable_model_summary": False, "num_sanity_val_steps": 0}
    assert passed_on(cfg(), trains=True) == ours
    assert passed_on(config, trains=False) == ours | {"benchmark": True}
    own = {"gradient_clip_val": 1.0, "detect_anomaly": True, "num_sanity_val_steps": 2}
    assert passed_on(config, trains=True) == ours | own | {"benchmark": True}
    before = torch.backends.cudnn.benchmark
    try:
        trainer = build_evaluator(config, config.finetune)
    finally:
        torch.backends.cudnn.benchmark = before
    assert trainer.gradient_clip_val is None
