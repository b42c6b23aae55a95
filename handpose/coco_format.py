"""Writes hands as a COCO keypoints document, which annotation tools import.

Each side has a category of its own, as tools keep categories and may drop other fields. J = 21
joints in the order of `handpose.skeleton`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from handpose.skeleton import BONES, JOINT_NAMES

KEYPOINTS = tuple(name.replace(" ", "_") for name in JOINT_NAMES)
# COCO's flag of a keypoint: not labelled, labelled but not visible, labelled and visible.
UNLABELLED, OCCLUDED, VISIBLE = range(3)
_CATEGORY_IDS = {"left": 1, "right": 2}
_DECIMALS = 3


class CocoHand(NamedTuple):
    """One hand in px of its image."""

    uv: np.ndarray  # (J, 2) px
    side: Literal["left", "right"]
    box: np.ndarray | None = None  # (3,) centre u, centre v, side in px; None: of the joints
    score: float | None = None  # 0..1, of the hand
    uv_valid: np.ndarray | None = None  # (J,) bool; None: all joints are labelled
    joint_scores: np.ndarray | None = None  # (J,) 0..1


class ImageHands(NamedTuple):
    """The hands of one image, which may have none."""

    name: str  # path of the image, as tools shall find it
    width: int  # px
    height: int  # px
    hands: Sequence[CocoHand]


def coco_document(images: Iterable[ImageHands]) -> dict[str, Any]:
    """Return a COCO keypoints document, plain values ready for `json.dump`.

    A joint outside the image gets the flag 1 (not visible), one in it 2, an unlabelled one 0. The
    box is written as given, also where it exceeds the image, so that reading it returns it.

    Args:
        images: each with its hands.

    Raises:
        ValueError: a number is not finite, or two images have the same name; names the image.
    """
    document: dict[str, Any] = {
        "info": {"description": "Hands written by handpose"},
        "licenses": [],
        "categories": [_category(side) for side in _CATEGORY_IDS],
        "images": [],
        "annotations": [],
    }
    seen: set[str] = set()
    for number, image in enumerate(images, start=1):
        if image.name in seen:
            raise ValueError(f"{image.name}: two images have this name")
        seen.add(image.name)
        record = {"id": number, "file_name": image.name}
        document["images"].append(record | {"width": image.width, "height": image.height})
        for hand in image.hands:
            own = {"id": len(document["annotations"]) + 1, "image_id": number}
            document["annotations"].append(own | _annotation(image, hand))
    return document


def _category(side: str) -> dict[str, Any]:
    return {
        "id": _CATEGORY_IDS[side],
        "name": f"{side}_hand",
        "supercategory": "hand",
        "keypoints": list(KEYPOINTS),
        "skeleton": [[parent + 1, child + 1] for parent, child in BONES],  # COCO counts from 1
    }


def _annotation(image: ImageHands, hand: CocoHand) -> dict[str, Any]:
    uv = np.asarray(hand.uv, dtype=np.float64)
    valid = np.ones(len(KEYPOINTS), bool) if hand.uv_valid is None else np.asarray(hand.uv_valid)
    uv = np.where(valid[:, None], uv, 0.0)
    u, v, width, height = _bbox(uv[valid]) if hand.box is None else _square(hand.box)
    if not np.isfinite([*uv.ravel(), u, v, width, height]).all():
        raise ValueError(f"{image.name}: a joint or the box of a hand is not finite")
    inside = ((uv >= -0.5) & (uv <= [image.width - 0.5, image.height - 0.5])).all(axis=1)
    flags = np.where(valid, np.where(inside, VISIBLE, OCCLUDED), UNLABELLED)
    return {
        "category_id": _CATEGORY_IDS[hand.side],
        "keypoints": [
            value
            for (x, y), flag in zip(uv.round(_DECIMALS).tolist(), flags.tolist(), strict=True)
            for value in (x, y, flag)
        ],
        "num_keypoints": int(valid.sum()),
        "bbox": [round(float(value), _DECIMALS) for value in (u, v, width, height)],
        "area": round(float(width * height), _DECIMALS),
        "segmentation": [],
        "iscrowd": 0,
        "side": hand.side,
        **_scores(hand),
    }


def _square(box: np.ndarray) -> tuple[float, float, float, float]:
    """Return x, y, width, height of a square (centre u, centre v, side)."""
    u, v, side = (float(value) for value in box)
    return u - side / 2, v - side / 2, side, side


def _bbox(uv: np.ndarray) -> tuple[float, float, float, float]:
    """Return x, y, width, height of joints (N, 2); zeros without a joint."""
    if len(uv) == 0:
        return 0.0, 0.0, 0.0, 0.0
    (u, v), (width, height) = uv.min(axis=0), np.ptp(uv, axis=0)
    return float(u), float(v), float(width), float(height)


def _scores(hand: CocoHand) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if hand.score is not None:
        found["score"] = round(float(hand.score), 6)
    if hand.joint_scores is not None:
        found["keypoint_scores"] = np.asarray(hand.joint_scores, float).round(6).tolist()
    return found
