"""Colour, grey, blur, noise, cut-out and Sobel: drawn by `sample_appearance`, applied by `render`.

The pixels of grey, blur and noise are albumentations' work, handed the drawn numbers, so that
nothing random is left to it. S side of the view in px.
"""

import math
from typing import NamedTuple

import albumentations as A
import cv2
import numpy as np
from albumentations.augmentations.blur.functional import create_gaussian_kernel_1d

from handpose.augment.colour import colour_matrix
from handpose.augment.geometric import within
from handpose.augment.settings import Augmentation

_TO_GREY = A.ToGray(method="average")
_BLUR = A.GaussianBlur()
_NOISE = A.GaussNoise()
_NEUTRAL = (0.0, 1.0, 1.0, 0.0)
NOWHERE = np.empty((0, 2))


class Appearance(NamedTuple):
    """One view's rows of `ViewParams`, without its map."""

    colour: tuple[float, float, float, float]
    grey: bool
    blur: float
    noise: float
    noise_seed: int
    one_sided: bool
    cutout: tuple[int, int, int, int, int]
    sobel: bool


def sample_appearance(
    rng: np.random.Generator, settings: Augmentation, size: int, joints: np.ndarray = NOWHERE
) -> Appearance:
    """Draws one view's appearance; the same numbers whatever the switches say.

    Args:
        joints: (N, 2) px of the view, where a cut-out about a joint may lie.
    """
    hue, saturation, gain, bias, *chances, sigma = rng.random(10).tolist()
    noise_seed = int(rng.integers(2**31))
    rectangle = _rectangle(rng.random(4).tolist(), settings, size, joints)
    # the seed is as random as a number more, which every later draw would feel
    fill = noise_seed % 256 if settings.cut_out_fill == "grey" else 0
    colour = (
        math.radians(within(settings.hue, hue)),
        within(settings.saturation, saturation),
        within(settings.gain, gain),
        within(settings.bias, bias),
    )
    grey, blur, noise, cutout, sobel = (chance < settings.probability for chance in chances)
    return Appearance(
        colour=colour if settings.colour_jitter else _NEUTRAL,
        grey=settings.colour_drop and grey,
        blur=within(settings.blur_sigma, sigma) if settings.gaussian_blur and blur else 0.0,
        noise=settings.noise_std if settings.gaussian_noise and noise else 0.0,
        noise_seed=noise_seed,
        one_sided=settings.noise == "one_sided",
        cutout=(*rectangle, fill) if settings.cut_out and cutout else (0, 0, 0, 0, 0),
        sobel=settings.sobel and sobel,
    )


def _rectangle(
    numbers: list[float], settings: Augmentation, size: int, joints: np.ndarray
) -> tuple[int, int, int, int]:
    """u0, v0, u1, v1 in px, of sides `cut_out_side` x S; from four numbers of [0, 1).

    Wholly inside the view, or a square about a joint, of which the view shows a part.
    """
    width, height = (round(within(settings.cut_out_side, number) * size) for number in numbers[:2])
    if settings.cut_out_at == "joint" and len(joints):
        low = np.rint(joints[int(numbers[2] * len(joints))] - width / 2)
        u0, v0, u1, v1 = np.clip([*low, *low + width], 0, size).astype(int).tolist()
        return u0, v0, u1, v1
    u, v = int(numbers[2] * (size - width + 1)), int(numbers[3] * (size - height + 1))
    return u, v, u + width, v + height


def render(view: np.ndarray, look: Appearance) -> np.ndarray:
    """Applies `look` to a view (S, S, 3) uint8: colour, grey, blur, noise, cut-out, Sobel."""
    if look.colour != _NEUTRAL:
        view = cv2.transform(view, colour_matrix(look.colour))
    if look.grey:
        view = _TO_GREY.apply(view)
    if look.blur:
        view = _BLUR.apply(view, kernel=create_gaussian_kernel_1d(look.blur))
    if look.noise:
        unit = np.random.default_rng(look.noise_seed).standard_normal(view.shape, dtype=np.float32)
        # rounded here: albumentations would cut the fractions off, which shrinks the noise
        noise = np.rint(look.noise * unit)
        view = _NOISE.apply(view, noise_map=np.maximum(noise, 0) if look.one_sided else noise)
    u0, v0, u1, v1, fill = look.cutout
    if u0 < u1 and v0 < v1:
        view = view.copy()
        view[v0:v1, u0:u1] = fill
    return _sobel(view) if look.sobel else view


def _sobel(view: np.ndarray) -> np.ndarray:
    """The gradient magnitude (kernel 3) of the channels' mean, clipped to uint8, three times."""
    grey = view.mean(axis=2, dtype=np.float32)
    du, dv = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.repeat(cv2.convertScaleAbs(cv2.magnitude(du, dv))[..., None], 3, axis=2)
