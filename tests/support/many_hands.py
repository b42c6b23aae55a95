"""Images of several rendered hands with labels: `python tests/support/many_hands.py OUT.png`."""

import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.backdrop import paint_backdrop
from handpose.data.synthetic.composition import compose
from handpose.data.synthetic.domain import SIMPLE, split_draws
from handpose.data.synthetic.render import paint
from handpose.data.synthetic.scene import pose_hand, project


class ManyHands(NamedTuple):
    """An image and all its hands, from left to right."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    uv: list[np.ndarray]  # (21, 2) px each
    sides: list[str]


def many_hands(count: int, *, seed: int = 0, size: int = 240) -> ManyHands:
    """Hands that reach into one image from below, left ones and right ones in turn.

    Args:
        count: number of hands.
        seed: of everything.
        size: px, height of the image and width of each hand's part.
    """
    rng = np.random.default_rng(seed)
    backdrop = paint_backdrop(rng, count * size)
    image, uv, sides = backdrop[:size].copy(), [], []
    for number in range(count):
        side = ("left", "right")[number % 2]
        front, share, points = _right_hand(rng, size)
        if side == "left":
            front, share = front[:, ::-1], share[:, ::-1]
            points = np.column_stack((size - 1 - points[:, 0], points[:, 1]))
        part = image[:, number * size : (number + 1) * size]
        part[:] = front + part * (1 - share[..., None])
        uv.append(points + np.array([number * size, 0]))
        sides.append(side)
    return ManyHands(image.clip(0, 255).astype(np.uint8), uv, sides)


def _right_hand(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(S, S, 3) colours before a black ground, (S, S) what they cover, (21, 2) joints in px."""
    draws = split_draws(rng, SIMPLE)
    hand = pose_hand(draws, size, "frontal")
    scene = compose(draws, hand, 2 * size, np.float32(2), SIMPLE)
    painted, covered, *_ = paint(draws, scene)
    shrunk = [
        cv2.resize(layer.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
        for layer in (painted, covered)
    ]
    return shrunk[0], shrunk[1], project(hand.K, hand.joints)


if __name__ == "__main__":
    cv2.imwrite(str(Path(sys.argv[1])), many_hands(4, seed=5).image[..., ::-1])
