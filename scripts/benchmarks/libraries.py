"""Two views of an image file by other libraries, with the ranges of an augmentation of handpose.

S side of a view in px.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import numpy as np
from benchmarks.images import BOX
from benchmarks.torchvision_views import FRAME, view_transform
from torchvision.io import decode_jpeg, read_file

from handpose.augment.settings import Augmentation

Way = Callable[[Path], Any]


def decode(path: Path) -> Any:
    """Returns (H, W, 3) uint8 RGB: the minimum for any way that reads with OpenCV."""
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)


def albumentations_views(settings: Augmentation, side: int, size: int) -> Way:
    """Makes views with albumentations: one affine map, scaled so that a crop is the view.

    Args:
        settings: The ranges.
        side: Height of the images in px.
        size: S.
    """
    whole = size / (BOX * FRAME)
    reduce = [A.CenterCrop(side, side), A.Resize(FRAME, FRAME, cv2.INTER_AREA)]
    colour = {"brightness": settings.gain, "saturation": settings.saturation, "contrast": (1, 1)}
    pipeline = A.Compose(
        [
            *(reduce * (side != FRAME)),
            A.Affine(
                rotate=settings.angle,
                scale=tuple(whole / margin for margin in reversed(settings.margin_range)),
                translate_percent=tuple(BOX * shift for shift in settings.shift),
                border_mode=cv2.BORDER_REFLECT_101,
                p=1,
            ),
            A.CenterCrop(size, size),
            A.ColorJitter(hue=tuple(turn / 360 for turn in settings.hue), **colour, p=1),
            A.ToTensorV2(),
        ]
    )

    def make(path: Path) -> Any:
        image = decode(path)
        return [pipeline(image=image)["image"] for _ in range(2)]

    return make


def torchvision_views(settings: Augmentation, side: int, size: int) -> Way:
    """Makes views with torchvision's transforms of single uint8 tensors.

    Args:
        settings: The ranges.
        side: Height of the images in px.
        size: S.
    """
    pipeline = view_transform(settings, side=side, size=size)

    def make(path: Path) -> Any:
        image = decode_jpeg(read_file(str(path)))
        return [pipeline(image) for _ in range(2)]

    return make
