"""Skeletons over an image: as a mask that a viewer can hide, or drawn into the pixels."""

from collections.abc import Mapping

import cv2
import numpy as np

from handpose.geometry import affine as maps
from handpose.loggers.base import LoggedImage
from handpose.report.skeletons import draw_skeleton, joint_colours
from handpose.skeleton import BONES, FINGERS, NUM_JOINTS

PREDICTION, TRUTH = "prediction", "truth"
# Classes of a mask; 0 is the image itself.
CLASSES = {place + 1: name for place, name in enumerate((*FINGERS, "wrist"))}
_SIDE = 256  # px of a logged image, at least
_SIDE_TO_THICKNESS = 110
_WHITE = [(255, 255, 255)] * NUM_JOINTS


def enlarged(
    image: np.ndarray, skeletons: Mapping[str, np.ndarray] | None = None, *, side: int = _SIDE
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Enlarge a small image by a whole factor, with the joints over it.

    Args:
        image: (H, W, 3) uint8.
        skeletons: (J, 2) px of the image, by name; None for none.
        side: px of the shorter side of the result, at least.

    Returns:
        The image and its skeletons.
    """
    height, width = image.shape[:2]
    factor = max(1, -(-side // min(height, width)))
    size = (factor * width, factor * height)
    larger = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else image
    to_larger = maps.resize((width, height), size)
    return larger, {name: maps.apply(to_larger, uv) for name, uv in (skeletons or {}).items()}


def mask_of(uv: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a skeleton as a mask of the fingers' numbers, see `CLASSES`.

    Args:
        uv: (J, 2) px; NaN: not drawn.
        shape: (H, W, ...) of the image.

    Returns:
        (H, W) uint8, 0 beside the skeleton.
    """
    mask = np.zeros(shape[:2], np.uint8)
    known = np.isfinite(uv).all(axis=1)
    # cv2 overflows on the far-off points of a failed model.
    points = np.clip(np.where(known[:, None], uv, 0), -4 * max(shape), 5 * max(shape))
    places = [(int(u), int(v)) for u, v in np.rint(points)]
    thickness = _thickness(shape)
    for parent, child in BONES:
        if known[parent] and known[child]:
            cv2.line(mask, places[parent], places[child], _class_of(child), thickness)
    for joint in np.flatnonzero(known):
        cv2.circle(mask, places[joint], thickness, _class_of(int(joint)), cv2.FILLED)
    return mask


def drawn(logged: LoggedImage) -> np.ndarray:
    """Draw the skeletons into the image: the prediction in colours, the truth thin and white.

    Args:
        logged: an image with its skeletons.

    Returns:
        (H, W, 3) uint8.
    """
    image, thickness = logged.image, _thickness(logged.image.shape)
    for name, uv in logged.skeletons.items():
        is_true = name == TRUTH
        image = draw_skeleton(
            image,
            uv,
            np.ones(NUM_JOINTS, dtype=bool),
            colours=_WHITE if is_true else joint_colours(),
            thickness=max(1, thickness // 2) if is_true else thickness,
        )
    return image


def _thickness(shape: tuple[int, ...]) -> int:
    return max(2, round(max(shape[:2]) / _SIDE_TO_THICKNESS))


def _class_of(joint: int) -> int:
    return len(CLASSES) if joint == 0 else 1 + (joint - 1) // 4
