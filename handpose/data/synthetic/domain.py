"""The worlds that hands are rendered in: what occurs, how often, and how much it varies.

`simple` has bare hands before clutter. `lab` is a capture studio: few subjects, cameras and lights.
`wild` is the variety of images on the internet. Probabilities are per image.
"""

from typing import NamedTuple

import numpy as np


class Domain(NamedTuple):
    """What a world contains; plain numbers."""

    name: str
    subjects: tuple[int, int, int]  # in train, val and test; 0: every image has its own
    lights: str  # "tinted", "studio" or "any", see `lights.sample_lighting`
    backdrop: str  # "clutter", "studio" or "any", see `places.paint_place`
    cameras: int  # fixed cameras, see `camera.RIG`; 0: every image has its own
    held_object: float = 0.0  # probability of an object in the hand
    num_objects: int = 0  # size of the fixed set of objects; 0: every image has its own
    second_hand: float = 0.0  # probability of another hand beside or before the labelled one
    occluder: float = 0.15  # probability of an object before the hand
    cast_shadow: float = 0.0  # probability of cast shadows where the key light is hard
    adornment: float = 0.0  # probability of nail polish, and of a ring
    lens_blur: float = 0.0  # probability that the background, or all, is out of focus
    motion_blur: float = 0.0  # probability of blur along a line
    compression: float = 0.0  # probability of strong JPEG or low-rate video compression
    own_draws: bool = True  # each part draws from a generator of its own, see `split_draws`


SIMPLE = Domain("simple", (0, 0, 0), "tinted", "clutter", 0, own_draws=False)
DOMAINS = {
    "simple": SIMPLE,
    "lab": Domain(
        name="lab",
        subjects=(8, 3, 3),
        lights="studio",
        backdrop="studio",
        cameras=4,
        held_object=0.10,
        num_objects=3,
        occluder=0.0,
        cast_shadow=0.5,
    ),
    "wild": Domain(
        name="wild",
        subjects=(0, 0, 0),
        lights="any",
        backdrop="any",
        cameras=0,
        held_object=0.30,
        second_hand=0.15,
        cast_shadow=1.0,
        adornment=0.12,
        lens_blur=0.30,
        motion_blur=0.20,
        compression=0.50,
    ),
}


class Draws(NamedTuple):
    """The generators of an image's parts: a draw for one part leaves the others as they are."""

    pose: np.random.Generator  # side, pose, view and framing
    person: np.random.Generator  # build, skin and sleeve
    lights: np.random.Generator
    backdrop: np.random.Generator
    camera: np.random.Generator  # choice of the camera and its effects
    occluder: np.random.Generator
    held: np.random.Generator  # object in the hand
    second: np.random.Generator  # second hand
    shadow: np.random.Generator


def split_draws(rng: np.random.Generator, domain: Domain) -> Draws:
    """Return the generators of one image's parts.

    Args:
        rng: source of all randomness.
        domain: without `own_draws` every part draws from `rng` itself.
    """
    count = len(Draws._fields) - 1
    return Draws(rng, *(rng.spawn(count) if domain.own_draws else [rng] * count))


def happens(rng: np.random.Generator, probability: float) -> bool:
    """Draw whether something occurs; draws no number where it never does.

    Args:
        rng: source of the number.
        probability: 0 to 1.
    """
    return probability > 0 and bool(rng.random() < probability)
