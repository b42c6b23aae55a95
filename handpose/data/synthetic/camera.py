"""Cameras: their place, and what they do to an image after it is lit; images sRGB in 0..255."""

from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.domain import Domain


class Camera(NamedTuple):
    """A fixed camera of a studio."""

    tilt: float  # of its view, relative to the largest tilt of an orientation
    about: float  # radians, direction in which it is tilted
    depth: float  # metres to the wrist
    gain: np.ndarray  # (3,) exposure and white balance
    grain: float  # standard deviation of its noise
    blur: float  # px at 96 px


RIG: tuple[Camera, ...] = ()


def choose_camera(rng: np.random.Generator, domain: Domain) -> Camera | None:
    """Draw one of the domain's fixed cameras; None without any.

    Args:
        rng: source of the number.
        domain: the world.
    """
    return RIG[rng.integers(domain.cameras)] if domain.cameras and RIG else None


def develop(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Add camera blur, exposure and noise; return uint8.

    Args:
        rng: source of all randomness.
        image: (S, S, 3) sRGB float32.
    """
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.7))
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    gain, grain = np.float32(rng.uniform(0.85, 1.12)), np.float32(rng.uniform(0.5, 5.0))
    return np.rint((image * gain + grain * noise).clip(0, 255)).astype(np.uint8)
