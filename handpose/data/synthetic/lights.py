"""The light of a scene: ambient light and a few distant lights, all in the camera frame."""

from typing import NamedTuple

import numpy as np


class Light(NamedTuple):
    """One directional light."""

    direction: np.ndarray  # (3,) unit, from the surface to the light, camera frame
    colour: np.ndarray  # (3,) linear RGB


class Lighting(NamedTuple):
    """All lights of a scene."""

    ambient: np.ndarray  # (3,) linear RGB
    lights: list[Light]  # the first is the key light
    hard: bool = False  # the key light is small, so shadows have edges


def sample_lighting(rng: np.random.Generator, kind: str = "tinted") -> Lighting:
    """Draw the lights of one image.

    Args:
        rng: source of all randomness.
        kind: "tinted" (key light, often a weaker second one, and ambient light), "studio" or "any".
    """
    ambient = rng.uniform(0.18, 0.5) * _tint(rng)
    lights = [_light(rng, 0.55, 1.0)]
    if rng.random() < 0.6:
        lights.append(_light(rng, 0.1, 0.4))
    return Lighting(ambient, lights)


def _light(rng: np.random.Generator, dimmest: float, brightest: float) -> Light:
    """Draw a light, mostly from above and from the camera's side."""
    direction = np.array([rng.uniform(-1.0, 1.0), rng.uniform(-1.2, 0.4), rng.uniform(-1.2, -0.35)])
    unit = (direction / np.linalg.norm(direction)).astype(np.float32)
    return Light(unit, rng.uniform(dimmest, brightest) * _tint(rng))


def _tint(rng: np.random.Generator) -> np.ndarray:
    return (1.0 + rng.uniform(-0.12, 0.12) * np.array([1.0, 0.1, -1.0])).astype(np.float32)
