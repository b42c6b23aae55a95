"""The person whose hand is rendered: build, skin and what is worn on the arm."""

from functools import cache
from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.anatomy import Proportions, sample_proportions
from handpose.data.synthetic.colour import linear, sample_tone, smooth_noise
from handpose.data.synthetic.domain import DOMAINS

_PEOPLE = 0x70656F70  # seeds of people, apart from those of images


class Skin(NamedTuple):
    """The look of one person's skin; colours linear RGB."""

    back: np.ndarray  # (3,)
    palm: np.ndarray  # (3,)
    nail: np.ndarray  # (3,)
    crease: float
    redness: float
    mottling: np.ndarray  # (rows, columns) float32 about 0, a pattern over the hand at rest
    gloss: float


class Sleeve(NamedTuple):
    """A sleeve on the forearm."""

    start: float  # metres, y in the hand frame at rest
    looseness: float  # metres
    folds: np.ndarray  # (R, A) in 0..1
    colour: np.ndarray  # (3,) linear RGB


class Person(NamedTuple):
    """What all images of one subject share."""

    proportions: Proportions
    skin: Skin
    sleeves: list[Sleeve | None]  # the garments; an image shows one of them


@cache
def subject(domain: str, split: int, number: int, shape: tuple[int, int]) -> Person:
    """Return a person of a domain's pool.

    Args:
        domain: name of the domain.
        split: 0 train, 1 val or 2 test.
        number: of the subject in the split.
        shape: (rows, columns) of the skin's mottling.
    """
    place = list(DOMAINS).index(domain)
    rng = np.random.default_rng([_PEOPLE, place, split, number])
    sleeves = [sample_sleeve(rng) for _ in range(2)]
    return Person(sample_proportions(rng), sample_skin(rng, shape), sleeves)


def sample_skin(rng: np.random.Generator, shape: tuple[int, int]) -> Skin:
    """Draw a person's skin.

    Args:
        rng: source of all randomness.
        shape: (rows, columns) of its mottling.
    """
    tone = sample_tone(rng)
    back = linear(tone)
    dark = 1.0 - tone.mean() / 255.0
    palm = back * (1.0 + rng.uniform(0.0, 0.15)) + linear(np.array([150, 105, 90])) * dark**2 * 0.8
    nail = 0.55 * palm + linear(np.array([215, 165, 155])) * rng.uniform(0.3, 0.55)
    crease, redness, gloss = rng.uniform([0.25, 0.10, 0.02], [0.55, 0.35, 0.12]).tolist()
    mottling = np.float32(rng.uniform(0.03, 0.09)) * smooth_noise(rng, shape, (14, 50))
    return Skin(back, palm, nail, crease, redness, mottling, gloss)


def sample_sleeve(rng: np.random.Generator) -> Sleeve | None:
    """Draw a sleeve of any colour, or none."""
    if rng.random() < 0.45:
        return None
    start = -0.012 - 0.09 * rng.random() ** 1.5
    colour = linear(rng.uniform(10, 245, 3) * rng.uniform(0.4, 1.0))
    return Sleeve(start, rng.uniform(0.003, 0.009), rng.random((6, 7)), colour)
