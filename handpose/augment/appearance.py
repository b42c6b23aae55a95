"""Colour, grey, blur, noise, cut-out and Sobel: drawn by `sample_appearance`, applied by `render`.

The pixels of the five ablation transforms are albumentations' work, handed the drawn numbers, so
that nothing random is left to it. S side of the view in px.
"""

from typing import NamedTuple

import albumentations as A
import cv2
import numpy as np
from albumentations.augmentations.blur.functional import create_gaussian_kernel_1d

from handpose.augment.colour import colour_matrix
from handpose.augment.settings import Augmentation, Range

_TO_GREY = A.ToGray(method="average")
_BLUR = A.GaussianBlur()
_NOISE = A.GaussNoise()
_CUT_OUT = A.CoarseDropout(fill=0)
_NEUTRAL_COLOUR = np.array([0.0, 1.0, 1.0, 0.0], dtype=np.float32)


class Appearance(NamedTuple):
    """One view's rows of `ViewParams`, without its map."""

    colour: np.ndarray
    grey: bool
    blur: float
    noise: float
    noise_seed: int
    cutout: np.ndarray
    sobel: bool


def sample_appearance(rng: np.random.Generator, settings: Augmentation, size: int) -> Appearance:
    """Draws one view's appearance; the same numbers whatever the switches say."""
    hue, saturation, gain, bias = (
        rng.uniform(*bounds)
        for bounds in (settings.hue, settings.saturation, settings.gain, settings.bias)
    )
    colour = np.array([np.deg2rad(hue), saturation, gain, bias], dtype=np.float32)
    chosen = rng.random(5) < settings.probability
    sigma = rng.uniform(*settings.blur_sigma)
    noise_seed = int(rng.integers(2**31))
    cutout = _sample_rectangle(rng, settings.cut_out_side, size)
    return Appearance(
        colour=colour if settings.colour_jitter else _NEUTRAL_COLOUR,
        grey=bool(settings.colour_drop and chosen[0]),
        blur=sigma if settings.gaussian_blur and chosen[1] else 0.0,
        noise=settings.noise_std if settings.gaussian_noise and chosen[2] else 0.0,
        noise_seed=noise_seed,
        cutout=cutout if settings.cut_out and chosen[3] else np.zeros(4, dtype=np.int64),
        sobel=bool(settings.sobel and chosen[4]),
    )


def _sample_rectangle(rng: np.random.Generator, sides: Range, size: int) -> np.ndarray:
    """u0, v0, u1, v1 (4,) int64 in px, wholly inside the view, of sides drawn from `sides` x S."""
    extent = np.rint(rng.uniform(*sides, size=2) * size).astype(np.int64)
    corner = np.floor(rng.random(2) * (size - extent + 1)).astype(np.int64)
    return np.concatenate((corner, corner + extent))


def render(view: np.ndarray, look: Appearance) -> np.ndarray:
    """Applies `look` to a view (S, S, 3) uint8: colour, grey, blur, noise, cut-out, Sobel."""
    if not np.array_equal(look.colour, _NEUTRAL_COLOUR):
        view = cv2.transform(view, colour_matrix(look.colour))
    if look.grey:
        view = _TO_GREY.apply(view)
    if look.blur:
        view = _BLUR.apply(view, kernel=create_gaussian_kernel_1d(look.blur))
    if look.noise:
        unit = np.random.default_rng(look.noise_seed).standard_normal(view.shape, dtype=np.float32)
        # rounded here: albumentations would cut the fractions off, which shrinks the noise
        view = _NOISE.apply(view, noise_map=np.rint(look.noise * unit))
    if look.cutout[0] < look.cutout[2] and look.cutout[1] < look.cutout[3]:
        view = _CUT_OUT.apply(view, holes=look.cutout[None], seed=0)
    return _sobel(view) if look.sobel else view


def _sobel(view: np.ndarray) -> np.ndarray:
    """The gradient magnitude (kernel 3) of the channels' mean, clipped to uint8, three times."""
    grey = view.mean(axis=2, dtype=np.float32)
    du, dv = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.repeat(cv2.convertScaleAbs(cv2.magnitude(du, dv))[..., None], 3, axis=2)
