"""The person whose hand is rendered: build, skin and what is worn on the arm."""

from functools import cache
from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.anatomy import Proportions, sample_proportions
from handpose.data.synthetic.colour import linear, sample_tone, smooth_noise
from handpose.data.synthetic.domain import DOMAINS, happens

_PEOPLE = 0x70656F70  # seeds of people, apart from those of images


class Ring(NamedTuple):
    """A ring on a finger."""

    chain: int  # 1 index to 4 little finger
    place: float  # along the finger's first bone, 0 to 1
    width: float  # metres
    colour: np.ndarray  # (3,) linear RGB


class Skin(NamedTuple):
    """The look of one person's skin; colours linear RGB."""

    back: np.ndarray  # (3,)
    palm: np.ndarray  # (3,)
    nail: np.ndarray  # (3,)
    crease: float
    redness: float
    mottling: np.ndarray  # (rows, columns) float32 about 0, a pattern over the hand at rest
    gloss: float
    ring: Ring | None = None


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


def sample_person(
    rng: np.random.Generator, shape: tuple[int, int], adornment: float = 0.0
) -> Person:
    """Draw a person with one garment.

    Args:
        rng: source of all randomness.
        shape: (rows, columns) of the skin's mottling.
        adornment: probability of nail polish, and of a ring.
    """
    proportions, skin, sleeve = sample_proportions(rng), sample_skin(rng, shape), sample_sleeve(rng)
    if happens(rng, adornment):
        skin = skin._replace(nail=linear(rng.uniform(20, 255) * rng.uniform(0.1, 1.0, 3)))
    if happens(rng, adornment):
        skin = skin._replace(ring=_sample_ring(rng))
    return Person(proportions, skin, [sleeve])


def _sample_ring(rng: np.random.Generator) -> Ring:
    metals = ([212, 170, 80], [200, 200, 205], [60, 60, 64])
    chain, metal = int(rng.integers(1, 5)), metals[rng.integers(len(metals))]
    place, width = rng.uniform(0.35, 0.6), rng.uniform(0.0025, 0.006)
    return Ring(chain, place, width, linear(np.array(metal)))


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
