"""A dataset that is but its 2D labels, and random ones to fill it."""

from typing import Any

import numpy as np

from handpose.data.base import HandDataset, Joints
from handpose.records import Sample


class Labels(HandDataset):
    """Hands without pictures; ten identities to a recording."""

    name = "labels"

    def __init__(self, joints: Joints, identities: np.ndarray, **contract: Any) -> None:
        super().__init__(**dict(split="train", image_size=32) | contract)
        self._joints = joints
        self._identities = identities

    def __len__(self) -> int:
        return len(self._identities)

    def __getitem__(self, index: int) -> Sample:
        raise AssertionError("there are no pictures")

    @property
    def identities(self) -> np.ndarray:
        return self._identities

    @property
    def capture_groups(self) -> np.ndarray:
        return self._identities // 10

    def sample_keys(self) -> list[str]:
        return [f"labels/{place:03d}.jpg#0" for place in range(len(self))]

    def joints(self) -> Joints:
        return self._joints

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        raise AssertionError("there are no 3D labels")


def random_joints(count: int, seed: int = 0) -> Joints:
    """Of right hands, all known."""
    uv = np.random.default_rng(seed).normal(100, 30, (count, 21, 2)).astype(np.float32)
    return Joints(uv, np.ones((count, 21), dtype=bool), np.zeros(count, dtype=bool))
