"""Colour, grey, blur, noise, cut-out and Sobel: drawn by `sample_appearance`, applied by `render`.

albumentations computes the pixels of grey, blur and noise from the drawn numbers, so nothing random
is left to it. S side of the view in px.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import albumentations as A
import cv2
import numpy as np
from albumentations.augmentations.blur.functional import create_gaussian_kernel_1d

from handpose.augment.geometric import within
from handpose.augment.noise import unit_noise
from handpose.augment.settings import Augmentation

_TO_GREY = A.ToGray(method="average")
_BLUR = A.GaussianBlur()
_NOISE = A.GaussNoise()
NEUTRAL = (0.0, 1.0, 1.0, 0.0)
NOWHERE = np.empty((0, 2))
_NO_CUT_OUT = (0, 0, 0, 0, 0)


class Appearance(NamedTuple):
    """One view's row of `ViewParams`, without its map."""

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
    """Draws a view's appearance. The same numbers are drawn whatever the switches are.

    Args:
        size: S.
        joints: (N, 2) px of the view, where a cut-out about a joint may lie.
    """
    hue, saturation, gain, bias, grey, blur, noise, cutout, sobel, sigma = rng.random(10).tolist()
    noise_seed = int(rng.integers(2**31))
    corners, colour, rectangle, likely = rng.random(4), NEUTRAL, _NO_CUT_OUT, settings.probability
    if settings.colour_jitter:
        colour = (
            math.radians(within(settings.hue, hue)),
            within(settings.saturation, saturation),
            within(settings.gain, gain),
            within(settings.bias, bias),
        )
    if settings.cut_out and cutout < likely:
        # The seed serves as the random level: another draw would change every later one.
        fill = noise_seed % 256 if settings.cut_out_fill == "grey" else 0
        rectangle = (*_rectangle(corners.tolist(), settings, size, joints), fill)
    return Appearance(
        colour,
        grey=settings.colour_drop and grey < likely,
        blur=within(settings.blur_sigma, sigma)
        if settings.gaussian_blur and blur < likely
        else 0.0,
        noise=settings.noise_std if settings.gaussian_noise and noise < likely else 0.0,
        noise_seed=noise_seed,
        one_sided=settings.noise == "one_sided",
        cutout=rectangle,
        sobel=settings.sobel and sobel < likely,
    )


def _rectangle(
    numbers: list[float], settings: Augmentation, size: int, joints: np.ndarray
) -> tuple[int, int, int, int]:
    """u0, v0, u1, v1 in px, of sides `cut_out_side` x S, from four numbers in [0, 1).

    Wholly inside the view, or the visible part of a square about a joint.
    """
    width, height = (round(within(settings.cut_out_side, number) * size) for number in numbers[:2])
    if settings.cut_out_at == "joint" and len(joints):
        low = np.rint(joints[int(numbers[2] * len(joints))] - width / 2)
        u0, v0, u1, v1 = np.clip([*low, *low + width], 0, size).astype(int).tolist()
        return u0, v0, u1, v1
    u, v = int(numbers[2] * (size - width + 1)), int(numbers[3] * (size - height + 1))
    return u, v, u + width, v + height


def matrices_of(looks: Sequence[Appearance]) -> list[np.ndarray | None]:
    """Returns the colour map of each appearance, as `colour_matrix` does; None: it changes none."""
    matrices = colour_matrices(np.array([look.colour for look in looks]))
    pairs = zip(looks, matrices, strict=True)
    return [None if look.colour == NEUTRAL else matrix for look, matrix in pairs]


def render(view: np.ndarray, look: Appearance, matrix: np.ndarray | None = None) -> np.ndarray:
    """Applies colour, grey, blur, noise, cut-out and Sobel, in this order.

    Args:
        view: (S, S, 3) uint8 RGB.
        look: What was drawn for it.
        matrix: (3, 4) that `matrices_of` returned for it; None: computed here.

    Returns:
        (S, S, 3) uint8.
    """
    if look.colour != NEUTRAL:
        view = cv2.transform(view, colour_matrix(look.colour) if matrix is None else matrix)
    if look.grey:
        view = _TO_GREY.apply(view)
    if look.blur:
        view = _BLUR.apply(view, kernel=create_gaussian_kernel_1d(look.blur))
    if look.noise:
        # Rounded here: albumentations would truncate, which shrinks the noise.
        noise = np.rint(look.noise * unit_noise(look.noise_seed, len(view)))
        view = _NOISE.apply(view, noise_map=np.maximum(noise, 0) if look.one_sided else noise)
    u0, v0, u1, v1, fill = look.cutout
    if u0 < u1 and v0 < v1:
        view = view.copy()
        view[v0:v1, u0:u1] = fill
    return _sobel(view) if look.sobel else view


def colour_matrix(colour: tuple[float, float, float, float]) -> np.ndarray:
    """Returns the colour map of a view as a matrix (3, 4) float64 for (r, g, b, 1).

    (hue shift h in rad, saturation s, gain g, bias b in 0..255) takes an RGB colour c to
    g (m + s R(h) (c - m)) + b, where m is the mean of its channels (its grey) and R rotates about
    the grey axis. These maps form a group: hue shifts add, saturations and gains multiply. The
    rotation treats the channels alike, so each row is the row above it shifted.
    """
    return colour_matrices(np.array([colour]))[0]


def colour_matrices(colours: np.ndarray) -> np.ndarray:
    """Returns the matrices (R, 3, 4) of R colours (R, 4), as `colour_matrix` does."""
    hue, saturation, gain, bias = colours.T
    # NumPy's own cosine differs in the last bit between processors.
    turns = np.array([(math.cos(angle), math.sin(angle)) for angle in hue.tolist()]).reshape(-1, 2)
    cos = saturation * turns[:, 0] / 3
    sin = saturation * turns[:, 1] / math.sqrt(3)
    own, following, preceding = 1 / 3 + 2 * cos, 1 / 3 - cos - sin, 1 / 3 - cos + sin
    rows = np.array(
        ((own, following, preceding), (preceding, own, following), (following, preceding, own))
    )
    matrices = np.empty((len(colours), 3, 4))
    matrices[..., :3] = (gain * rows).transpose(2, 0, 1)
    matrices[..., 3] = bias[:, None]
    return matrices


def _sobel(view: np.ndarray) -> np.ndarray:
    """The gradient magnitude (kernel 3) of the channels' mean, clipped to uint8, three times."""
    grey = view.mean(axis=2, dtype=np.float32)
    du, dv = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.repeat(cv2.convertScaleAbs(cv2.magnitude(du, dv))[..., None], 3, axis=2)
