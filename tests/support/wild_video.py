"""A video of hands in people's rooms, more or less, and a detector that knows those hands.

Scenes of a few seconds follow one another: images of hands drift over a backdrop, another each
second, or one of them rests; there are two at times, and none at times. On a plain blue backdrop,
`detect` finds rendered hands exactly; on another one they turn as well.

`python tests/support/wild_video.py OUT.mp4 [--minutes 10] [--samples DIR]` writes one of rendered
hands and, from DIR, real images of hands.
"""

import argparse
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.images import read_image
from handpose.data.synthetic.backdrop import paint_backdrop
from handpose.data.synthetic.render import RenderedHand, render_hand
from handpose.detect.base import Detection
from handpose.media.video_writer import VideoWriter

BLUE = (20, 40, 230)
RATE = 12
SCENE = 4.0  # seconds
NUM_CARDS = 40
_CARD = 120  # px
_SMALL = 24  # px, to tell cards apart
_KINDS = ("moving", "resting", "two", "moving", "none")


class Card(NamedTuple):
    """Images of hands that follow one another through a scene, and their path."""

    images: list[np.ndarray]  # (S, S, 3) uint8 each, one a second
    start: np.ndarray  # (2,) px of its upper left corner
    step: np.ndarray  # (2,) px a second
    turn: float  # degrees a second


@cache
def rendered_cards() -> list[RenderedHand]:
    """The hands that `detect` knows."""
    rng = np.random.default_rng(20)
    return [render_hand(rng, size=_CARD, orientation="frontal") for _ in range(NUM_CARDS)]


def write_wild_video(
    path: Path,
    *,
    seconds: float,
    images: Sequence[np.ndarray] = (),
    seed: int = 0,
    size: tuple[int, int] = (480, 360),
    blue: bool = True,
) -> None:
    """Write a video.

    Args:
        path: of the .mp4.
        seconds: its length.
        images: hands (S, S, 3) uint8; none: the rendered ones.
        seed: of the scenes.
        size: width, height in px.
        blue: whether the backdrop is plain.
    """
    rng = np.random.default_rng(seed)
    cards = list(images) or [hand.image for hand in rendered_cards()]
    with VideoWriter(path, RATE) as movie:
        for number in range(round(seconds * RATE)):
            scene, frame = divmod(number, round(SCENE * RATE))
            if frame == 0:  # a new scene
                kind = _KINDS[scene % len(_KINDS)]
                backdrop = _backdrop(rng, size, blue)
                chosen = _scene(rng, kind, cards, size, turning=not blue)
            movie.write(_drawn(backdrop, chosen, frame / RATE))


def _backdrop(rng: np.random.Generator, size: tuple[int, int], blue: bool) -> np.ndarray:
    if blue:
        return np.full((size[1], size[0], 3), BLUE, np.uint8)
    return paint_backdrop(rng, max(size))[: size[1], : size[0]].clip(0, 255).astype(np.uint8)


def _scene(
    rng: np.random.Generator,
    kind: str,
    images: list[np.ndarray],
    size: tuple[int, int],
    *,
    turning: bool,
) -> list[Card]:
    count, is_resting = {"none": 0, "two": 2}.get(kind, 1), kind == "resting"
    cards = []
    for place in range(count):
        own = [images[index] for index in rng.permutation(len(images))[: round(SCENE)]]
        side = own[0].shape[0]
        room = np.array([size[0] // 2 - side - 20, size[1] - side])
        first, last = rng.uniform(0, np.maximum(room, 1), (2, 2))
        start = first + np.array([place * size[0] // 2, 0])
        step = np.zeros(2) if is_resting else (last - first) / SCENE
        turn = rng.uniform(-15, 15) if turning and not is_resting else 0.0
        cards.append(Card(own[:1] if is_resting else own, start, step, turn))
    return cards


def _drawn(backdrop: np.ndarray, cards: list[Card], seconds: float) -> np.ndarray:
    image = backdrop.copy()
    for card in cards:
        hand = card.images[int(seconds) % len(card.images)]
        middle, corner = (hand.shape[0] - 1) / 2, np.rint(card.start + card.step * seconds)
        to_image = cv2.getRotationMatrix2D((middle, middle), card.turn * seconds, 1.0)
        to_image[:, 2] += corner
        settings = dict(flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT)
        cv2.warpAffine(hand, to_image, image.shape[1::-1], dst=image, **settings)
    return image


def detect(image: np.ndarray) -> list[Detection]:
    """Find the rendered hands on a blue backdrop, with their true joints."""
    distance = np.abs(image.astype(int) - BLUE).max(axis=2)
    mask = (distance > 60).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    found = [_found(image, stats[i]) for i in range(1, count) if stats[i][4] > 0.4 * _CARD**2]
    return sorted(found, key=lambda hand: -hand.score)


def _found(image: np.ndarray, stats: np.ndarray) -> Detection:
    left, top, width, height, _ = map(int, stats)
    centre = np.array([left + width // 2, top + height // 2])
    corner = np.clip(centre - _CARD // 2, 0, [image.shape[1] - _CARD, image.shape[0] - _CARD])
    part = image[corner[1] : corner[1] + _CARD, corner[0] : corner[0] + _CARD]
    errors = [np.abs(_small(part) - _small(hand.image)).mean() for hand in rendered_cards()]
    index = int(np.argmin(errors))
    hand = rendered_cards()[index]
    shift = corner.astype(np.float32)
    box = np.array([*(hand.box[:2] + shift), hand.box[2]], np.float32)
    score = 0.4 if index % 5 == 0 else 0.9 - 0.005 * index  # every fifth is doubtful
    return Detection(box, hand.side, score, hand.uv + shift)  # type: ignore[arg-type]


def _small(image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA).astype(int)


def real_hands(samples: Path) -> list[np.ndarray]:
    """The images of hands among the real samples, square and at most 224 px."""
    paths = sorted(path for path in samples.rglob("*.jpg"))
    images = []
    for path in paths:
        image = read_image(path)
        side = min(image.shape[:2])
        top, left = ((length - side) // 2 for length in image.shape[:2])
        square = np.ascontiguousarray(image[top : top + side, left : left + side])
        images.append(cv2.resize(square, (224, 224), interpolation=cv2.INTER_AREA))
    return images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--samples", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(3)
    images = [render_hand(rng, size=224, orientation="frontal").image for _ in range(8)]
    images += real_hands(arguments.samples) if arguments.samples else []
    settings = dict(seconds=60 * arguments.minutes, images=images, size=(640, 360), blue=False)
    write_wild_video(arguments.out, **settings)


if __name__ == "__main__":
    main()
