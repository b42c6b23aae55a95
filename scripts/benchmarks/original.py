"""The operations of the implementation from which the paper's results are, as a benchmark's unit.

It decodes a file once. Of each view it rotates the whole frame and the joints with it, derives the
crop's box from the joints, resizes the crop by areas, changes the colours in HSV, and converts to
normalised floats. They are written from a description of that code, which gives each one's share of
the time: `DESCRIBED`. `shares` measures the shares of this version.

J = 21 joints, S side of a view in px.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torchvision.transforms import functional

DESCRIBED = {
    "rotate the frame": 0.32,
    "decode": 0.16,
    "colours in HSV": 0.13,
    "resize by areas": 0.11,
    "normalised floats": 0.10,
    "crop box": 0.10,
}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_REPEATS = 100
Corners = tuple[list[int], list[int]]


class Original:
    """Makes two views (3, S, S) float32 of a file.

    Args:
        joints: (J, 2) px of the images.
        size: S.
    """

    def __init__(self, joints: np.ndarray, size: int) -> None:
        self.joints = torch.as_tensor(joints, dtype=torch.float32)
        self.size = size
        self._rng = np.random.default_rng(0)

    def __call__(self, path: Path) -> list[torch.Tensor]:
        image = self.decode(path)
        return [self._view(image) for _ in range(2)]

    def _view(self, image: np.ndarray) -> torch.Tensor:
        frame, joints = self.rotate(image)
        return self.to_floats(self.jitter(self.resize(frame, self.crop_box(frame, joints))))

    def decode(self, path: Path) -> np.ndarray:
        """Returns (H, W, 3) uint8 RGB."""
        image: Any = cv2.imread(str(path))
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def rotate(self, image: np.ndarray) -> tuple[np.ndarray, torch.Tensor]:
        """Rotates the whole frame (H, W, 3) and the joints (J, 2) about the frame's centre."""
        height, width = image.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), self._rng.uniform(-45, 45), 1.0)
        matrix = torch.as_tensor(turn, dtype=torch.float32)
        joints = self.joints @ matrix[:, :2].T + matrix[:, 2]
        return cv2.warpAffine(image, turn, (width, height)), joints

    def crop_box(self, frame: np.ndarray, joints: torch.Tensor) -> Corners:
        """Returns two corners: a margin about the joints' mean, shifted, clipped at the border.

        Args:
            frame: (H, W, 3).
            joints: (J, 2) px of it.
        """
        middle = joints.mean(dim=0)
        half = torch.linalg.norm(joints - middle, dim=1).max() * self._rng.uniform(0.9, 1.5)
        middle = middle + torch.as_tensor(self._rng.uniform(0, 15, 2))
        last = torch.tensor([frame.shape[1], frame.shape[0]])
        low = torch.minimum((middle - half).floor().clamp(min=0), last - 2)
        high = torch.maximum(torch.minimum((middle + half).ceil(), last), low + 2)
        return low.int().tolist(), high.int().tolist()

    def resize(self, frame: np.ndarray, corners: Corners) -> np.ndarray:
        """Returns the crop between two corners as (S, S, 3)."""
        (u0, v0), (u1, v1) = corners
        crop = frame[v0:v1, u0:u1]
        return cv2.resize(crop, (self.size, self.size), interpolation=cv2.INTER_AREA)

    def jitter(self, view: np.ndarray) -> np.ndarray:
        """Scales hue, saturation and value, and offsets the value, in HSV."""
        factors = *self._rng.uniform(0.01, 1, 2), self._rng.uniform(0.5, 1)
        hsv = cv2.cvtColor(view, cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv *= np.array(factors, np.float32)
        hsv[..., 2] += self._rng.uniform(5, 20)
        return cv2.cvtColor(hsv.clip(0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB)

    def to_floats(self, view: np.ndarray) -> torch.Tensor:
        """Converts (S, S, 3) uint8 to (3, S, S) float32 with ImageNet's mean and deviation."""
        return functional.normalize(functional.to_tensor(view), _MEAN, _STD)

    def shares(self, path: Path) -> dict[str, float]:
        """Returns the measured share of time of each operation of `DESCRIBED` for a file."""
        image = self.decode(path)
        frame, joints = self.rotate(image)
        corners = [self.crop_box(frame, joints) for _ in range(_REPEATS)]
        view = self.resize(frame, corners[0])
        operations: dict[str, Callable[[int], Any]] = {
            "rotate the frame": lambda _: self.rotate(image),
            "decode": lambda _: self.decode(path),
            "colours in HSV": lambda _: self.jitter(view),
            "resize by areas": lambda number: self.resize(frame, corners[number]),
            "normalised floats": lambda _: self.to_floats(view),
            "crop box": lambda _: self.crop_box(frame, joints),
        }
        seconds = {name: _seconds(operation) for name, operation in operations.items()}
        seconds["decode"] /= 2  # once for two views
        return {name: value / sum(seconds.values()) for name, value in seconds.items()}


def _seconds(operation: Callable[[int], Any]) -> float:
    start = time.process_time()
    for number in range(_REPEATS):
        operation(number)
    return time.process_time() - start
