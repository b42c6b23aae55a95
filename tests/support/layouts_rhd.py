"""A small dataset of rendered hands in RHD's official layout."""

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from layouts import save_picture
from layouts_two_hands import TwoHands, two_hands

from handpose.skeleton import JOINT_ORDERS

SIDE = 320  # px
_PALMS = {True: 17, False: 33}  # class of a hand's palm in the mask, {is_left: }


def write_rhd(root: Path, *, train: int = 4, test: int = 2) -> None:
    """Each image has both hands; the left hand of each third has hidden joints."""
    folder = root / "RHD_published_v2"
    for first, official, count in ((1200, "training", train), (1300, "evaluation", test)):
        labels: dict[int, Any] = {}
        for number in range(count):
            hands = two_hands(first + 2 * number, SIDE, SIDE)
            save_picture(folder / official / "color" / f"{number:05d}.png", hands.image)
            save_picture(folder / official / "mask" / f"{number:05d}.png", _mask(hands))
            labels[number] = _labels(hands, is_hidden=number % 3 == 2)
        if labels:
            write_pickle(folder / official / f"anno_{official}.pickle", labels)


def write_pickle(path: Path, content: Any) -> None:
    """As Python 2 writes it."""
    path.write_bytes(pickle.dumps(content, protocol=2))


def _labels(hands: TwoHands, *, is_hidden: bool) -> dict[str, np.ndarray]:
    xyz, uv_vis = np.empty((42, 3)), np.ones((42, 3))
    for is_left in (True, False):
        own = (0 if is_left else 21) + np.array(JOINT_ORDERS["rhd"])
        xyz[own], uv_vis[own, :2] = hands.xyz[is_left], hands.uv[is_left]
    if is_hidden:
        uv_vis[(0 if hands.second else 21) + np.arange(15), 2] = 0
    return {"xyz": xyz, "uv_vis": uv_vis, "K": hands.K}


def _mask(hands: TwoHands) -> np.ndarray:
    """(S, S): the hull of each hand's joints; the rest is of the person or the backdrop."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[SIDE // 2 :] = 1
    for is_left, uv in hands.uv.items():
        cv2.fillConvexPoly(mask, cv2.convexHull(uv.round().astype(np.int32)), _PALMS[is_left])
    return mask[..., None]
