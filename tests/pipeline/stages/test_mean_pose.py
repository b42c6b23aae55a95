"""The hands of the mean pose are drawn by lot: one that was not drawn changes nothing."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from handpose.pipeline.stages import evaluate
from handpose.pipeline.stages.evaluate import mean_poses


def mean_pose(poses: np.ndarray) -> torch.Tensor:
    training: Any = SimpleNamespace(source=SimpleNamespace(poses=lambda *_: poses), indices=None)
    return mean_poses(training)[0]


def test_a_hand_that_was_not_drawn_does_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "_MEAN_POSE_HANDS", 30)
    poses = np.random.default_rng(0).normal(size=(60, 21, 3)).astype(np.float32)
    whole = mean_pose(poses)
    same = [torch.equal(mean_pose(np.delete(poses, place, axis=0)), whole) for place in range(60)]
    assert sum(same) == 30
    assert not torch.equal(mean_pose(poses[:30]), whole)
