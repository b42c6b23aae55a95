"""Colours and noise that skin, cloth, objects and backdrops are made of."""

import cv2
import numpy as np

_TONES = np.array(  # sRGB, from very light to very dark
    [
        *([250, 216, 196], [238, 194, 166], [224, 172, 138], [198, 142, 106]),
        *([164, 110, 78], [122, 78, 54], [88, 56, 40], [62, 40, 30]),
    ]
)


def linear(srgb: np.ndarray) -> np.ndarray:
    """Convert sRGB 0..255 to linear light 0..1, float32 (gamma 2, which `shade` inverts)."""
    return ((srgb / 255.0) ** 2).astype(np.float32)


def sample_tone(rng: np.random.Generator) -> np.ndarray:
    """Draw a skin tone (3,), sRGB in 0..255."""
    place = rng.uniform(0.0, len(_TONES) - 1.0)
    tone = np.array([np.interp(place, np.arange(len(_TONES)), channel) for channel in _TONES.T])
    return (tone * rng.uniform([0.96, 0.95, 0.9], [1.04, 1.04, 1.08])).clip(0, 255)


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, ...]
) -> np.ndarray:
    """Draw smooth noise (rows, columns), float32 around 0, of variance about 1.

    Args:
        rng: source of all randomness.
        shape: (rows, columns).
        cells: numbers of cells per axis of the scales that are added up.
    """
    total = np.zeros(shape, dtype=np.float32)
    for count in cells:
        total += cv2.resize(rng.standard_normal((count, count), dtype=np.float32), shape[::-1])
    return total / np.float32(np.sqrt(len(cells)))
