"""A small pose model that was never trained, and hands that are what a test says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hands import CONTRACT, CROP, Fixed
from tiny_backbone import TinyBackbone
from torch import Tensor

from handpose.heads.base import Head
from handpose.heads.heatmap import HeatmapHead
from handpose.model import PoseModel
from handpose.predict import Given
from handpose.predict.hand_pose import Crop, HandPose
from handpose.predict.job import Job, Work
from handpose.predict.locating import by_first_pass

GIVEN = Given(box=(60.0, 45.0, 60.0), K=np.array([[150, 0, 60], [0, 150, 45], [0, 0, 1]]))
WIDTHS = dict(channels=(4, 6), strides=(4, 8), embedding_dim=6)


@pytest.fixture
def make_hand_pose(make_settings: Callable) -> Callable[..., HandPose]:
    """make_hand_pose(pose=None): with a head of random weights, or one that says `pose`."""

    def make(pose: Tensor | None = None, *, by_joints: bool = True) -> HandPose:
        torch.manual_seed(0)
        contract = {**CONTRACT, **WIDTHS}
        head: Head = (
            HeatmapHead(width=8, stride=4, sigma=1.0, heatmap_weight=0.0, **contract)
            if pose is None
            else Fixed(pose, **WIDTHS)
        )
        model = PoseModel(backbone=TinyBackbone(), head=head, freeze_backbone=False)
        if pose is None:
            with torch.no_grad():
                head.maps.weight[: len(head.maps.weight) // 2] *= 30  # heatmaps with peaks
        return HandPose(
            model, Crop(make_settings(margin=1.1), CROP, "index", by_joints), torch.device("cpu")
        )

    return make


@pytest.fixture
def picture() -> np.ndarray:
    """(90, 120, 3), smooth, without a symmetry."""
    rng = np.random.default_rng(3)
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 6, 8)))
    fine = torch.nn.functional.interpolate(coarse, size=(90, 120), mode="bicubic")
    return fine[0].permute(1, 2, 0).clamp(0, 255).to(torch.uint8).numpy().copy()


@pytest.fixture
def make_job(make_hand_pose: Callable, tmp_path: Path) -> Callable[..., Job]:
    """make_job(given, batch_size)"""

    def make(given: Given = GIVEN, batch_size: int = 2, **work: Any) -> Job:
        hand_pose = make_hand_pose()
        work = {"find": by_first_pass(hand_pose, given), **work}
        return Job(hand_pose, Work(folder=tmp_path / "out", batch_size=batch_size, **work))

    return make
