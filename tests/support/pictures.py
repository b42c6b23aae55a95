"""A source of pictures in memory, of any sizes, with left and right hands."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from handpose.data.base import HandDataset
from handpose.records import Sample

SIZES = ((64, 64), (150, 190), (224, 224), (719, 1277), (1080, 1920))  # height, width


class Pictures(HandDataset):
    """Hands with boxes anywhere in and beyond their pictures; every second is a left one.

    Args:
        sizes: (height, width) of each picture, px.
        seed: of the pictures and the boxes.
        fingerprint: as `HandDataset.fingerprint`.
    """

    name = "pictures"

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]] = SIZES,
        *,
        seed: int = 0,
        fingerprint: str | None = "pictures",
        **contract: Any,
    ) -> None:
        common: dict[str, Any] = {"split": "train", "image_size": 48}
        super().__init__(**(common | contract))
        self._fingerprint = fingerprint and f"{fingerprint} {seed}"
        self.samples = [
            _sample(np.random.default_rng([seed, number]), size, number)
            for number, size in enumerate(sizes[: self.max_samples])
        ]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    @property
    def fingerprint(self) -> str | None:
        return self._fingerprint

    @property
    def identities(self) -> np.ndarray:
        return np.arange(len(self))

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        chosen = self.samples if indices is None else [self.samples[index] for index in indices]
        return np.stack([sample.xyz * [1 - 2 * (sample.side == "left"), 1, 1] for sample in chosen])


def _sample(rng: np.random.Generator, size: tuple[int, int], number: int) -> Sample:
    height, width = size
    coarse = rng.integers(0, 256, (height // 7 + 2, width // 7 + 2, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    u, v = rng.uniform((-0.1 * width, -0.1 * height), (1.1 * width, 1.1 * height))
    joints = rng.uniform((0, 0), (width, height), (21, 2))
    xyz = rng.uniform((-0.1, -0.1, 0.6), (0.1, 0.1, 0.8), (21, 3))
    return Sample(
        image=image,
        uv=joints.astype(np.float32),
        xyz=xyz.astype(np.float32),
        K=np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]], np.float32),
        uv_valid=np.ones(21, dtype=bool),
        xyz_valid=np.ones(21, dtype=bool),
        box=np.array([u, v, rng.uniform(0.2, 0.9) * height], np.float32),
        side=("right", "left")[number % 2],
        key=f"pictures/{number:03d}.png#0",
    )
