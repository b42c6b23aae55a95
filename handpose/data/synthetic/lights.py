"""The light of a scene: ambient light and a few distant lights, all in the camera frame."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.domain import happens


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
        kind: "tinted" (key light, often a weaker second one, and ambient light), "studio" (one of
            three fixed set-ups) or "any" (also hard, coloured, dim and from behind).
    """
    if kind == "studio":
        return STUDIO[rng.integers(len(STUDIO))]
    if kind == "any":
        return _ANY[rng.choice(len(_ANY), p=_ANY_CHANCES)](rng)
    ambient = rng.uniform(0.18, 0.5) * _tint(rng)
    lights = [_light(rng, 0.55, 1.0)]
    if rng.random() < 0.6:
        lights.append(_light(rng, 0.1, 0.4))
    return Lighting(ambient, lights)


def _rgb(red: float, green: float, blue: float) -> np.ndarray:
    return np.array([red, green, blue], dtype=np.float32)


def _light(rng: np.random.Generator, dimmest: float, brightest: float) -> Light:
    """Draw a light, mostly from above and from the camera's side."""
    direction = np.array([rng.uniform(-1.0, 1.0), rng.uniform(-1.2, 0.4), rng.uniform(-1.2, -0.35)])
    unit = (direction / np.linalg.norm(direction)).astype(np.float32)
    return Light(unit, rng.uniform(dimmest, brightest) * _tint(rng))


def _tint(rng: np.random.Generator, strength: float = 0.12) -> np.ndarray:
    """Draw a colour (3,) from cool to warm."""
    warmth = rng.uniform(-strength, strength)
    return (1.0 + warmth * np.array([1.0, 0.1, -1.0])).astype(np.float32)


def _soft(rng: np.random.Generator) -> Lighting:
    """Light of an overcast sky or of many lamps."""
    ambient = rng.uniform(0.45, 0.95) * _tint(rng, 0.2)
    return Lighting(ambient, [_light(rng, 0.1, 0.4)])


def _sunny(rng: np.random.Generator) -> Lighting:
    """Hard warm light, and a blueish sky in its shadows."""
    ambient = rng.uniform(0.10, 0.35) * _rgb(0.9, 1.0, 1.15)
    key = _light(rng, 0.9, 1.7)
    warm = _rgb(1.06, 1.0, rng.uniform(0.75, 0.95))
    return Lighting(ambient, [key._replace(colour=key.colour * warm)], hard=True)


def _flash(rng: np.random.Generator) -> Lighting:
    """A hard light beside the camera, in a dark room."""
    direction = np.array([*rng.uniform(-0.35, 0.35, 2), -1.0])
    unit = (direction / np.linalg.norm(direction)).astype(np.float32)
    key = Light(unit, rng.uniform(0.7, 1.3) * _tint(rng))
    return Lighting(rng.uniform(0.05, 0.2) * _tint(rng, 0.3), [key], hard=True)


def _dim(rng: np.random.Generator) -> Lighting:
    """A weak, warm lamp."""
    warm = _rgb(1.15, 0.95, rng.uniform(0.5, 0.85))
    key = _light(rng, 0.15, 0.4)
    ambient = rng.uniform(0.06, 0.16) * warm
    return Lighting(ambient, [key._replace(colour=key.colour * warm)], hard=happens(rng, 0.5))


def _coloured(rng: np.random.Generator) -> Lighting:
    """Two lights of any colours, as of screens and neon."""
    ambient = rng.uniform(0.10, 0.3) * _tint(rng, 0.3)
    lights = [_light(rng, 0.5, 1.0), _light(rng, 0.3, 0.8)]
    hues = rng.uniform(0.25, 1.0, (2, 3)).astype(np.float32)
    hues /= hues.max(axis=1, keepdims=True)
    tinted = [
        source._replace(colour=source.colour * hue)
        for source, hue in zip(lights, hues, strict=True)
    ]
    return Lighting(ambient, tinted, hard=happens(rng, 0.4))


def _from_behind(rng: np.random.Generator) -> Lighting:
    """A rim of light around a hand in half shade."""
    direction = np.array([rng.uniform(-1.0, 1.0), rng.uniform(-1.0, 0.2), rng.uniform(0.2, 0.8)])
    unit = (direction / np.linalg.norm(direction)).astype(np.float32)
    rim = Light(unit, rng.uniform(0.8, 1.6) * _tint(rng, 0.2))
    return Lighting(rng.uniform(0.2, 0.5) * _tint(rng, 0.2), [rim, _light(rng, 0.05, 0.3)])


_Draw = Callable[[np.random.Generator], Lighting]
_ANY: tuple[_Draw, ...] = (
    *(sample_lighting, _soft, _sunny, _flash, _dim, _coloured, _from_behind),
)
_ANY_CHANCES = (0.24, 0.2, 0.2, 0.09, 0.1, 0.1, 0.07)


def _fixed(direction: list[float], power: float, tint: list[float]) -> Light:
    unit = np.array(direction) / np.linalg.norm(direction)
    return Light(unit.astype(np.float32), power * np.array(tint, dtype=np.float32))


STUDIO = (
    Lighting(  # two soft boxes
        _rgb(0.34, 0.34, 0.34),
        [_fixed([-0.8, -0.4, -0.8], 0.40, [1, 1, 1]), _fixed([0.9, -0.3, -0.7], 0.25, [1, 1, 1])],
    ),
    Lighting(  # lamps at the ceiling
        _rgb(0.30, 0.29, 0.27), [_fixed([0.1, -1.0, -0.45], 0.55, [1.05, 1.0, 0.9])]
    ),
    Lighting(  # a spot beside the cameras
        _rgb(0.22, 0.23, 0.25),
        [_fixed([0.5, -0.6, -0.9], 0.7, [1, 1, 0.98]), _fixed([-0.7, 0, -0.7], 0.15, [0.9, 1, 1])],
        hard=True,
    ),
)
