"""Writes a small FreiHAND folder in the official layout."""

import json
from pathlib import Path

import cv2
import numpy as np

from handpose.synthetic.render import render_right_hand


def write_freihand(
    root: Path, *, annotations: int = 8, versions: int = 4, evaluation: int = 4, size: int = 64
) -> None:
    """`annotations` x `versions` training images and `evaluation` test images of `size` px."""
    _write_split(root, "training", annotations, versions, size, seed=1)
    if evaluation:
        _write_split(root, "evaluation", evaluation, 1, size, seed=2)


def _write_split(
    root: Path, name: str, annotations: int, versions: int, size: int, *, seed: int
) -> None:
    folder = root / name / "rgb"
    folder.mkdir(parents=True)
    hands = [
        render_right_hand(np.random.default_rng([seed, i]), size=size, orientation="upright")[0]
        for i in range(annotations)
    ]
    for version in range(versions):
        for i, hand in enumerate(hands):
            image = np.clip(hand.image[..., ::-1].astype(int) + 12 * version, 0, 255)
            cv2.imwrite(
                str(folder / f"{version * annotations + i:08d}.jpg"), image.astype(np.uint8)
            )
    records = {
        "K": [hand.K.tolist() for hand in hands],
        "xyz": [hand.xyz.tolist() for hand in hands],
        "scale": [float(np.linalg.norm(hand.xyz[10] - hand.xyz[9])) for hand in hands],
    }
    for key, values in records.items():
        (root / f"{name}_{key}.json").write_text(json.dumps(values))
