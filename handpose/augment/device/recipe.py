"""Drawn numbers -> `Recipe`: all a device needs to render views. B samples, V views, N crops.

NumPy on the CPU. Whatever a device would have to read back is decided here: which views are
blurred, how often a crop is halved.
"""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from handpose.augment.appearance import NEUTRAL, Appearance, colour_matrices
from handpose.augment.noise import noise_offset
from handpose.augment.settings import Augmentation
from handpose.geometry import affine as maps
from handpose.records import Recipe

# OpenCV's colour maps of uint8 have weights in units of 1 / 1024, and round halves up.
_COLOUR_UNIT = 1 / 1024


def device_refusal(settings: Augmentation) -> str | None:
    """Returns why a device cannot make the views of these settings; None: it can."""
    kind = type(settings)
    if kind is Augmentation:
        return None
    return f"{kind.__module__}.{kind.__qualname__} is an augmentation that only workers can apply"


def make_recipe(
    affines: np.ndarray,
    looks: Sequence[Sequence[Appearance]],
    *,
    crop: np.ndarray,
    crop_affines: np.ndarray,
) -> Recipe:
    """Makes the recipe of B x V views.

    Args:
        affines: (B, V, 2, 3) float64, px of the source -> px of the view.
        looks: The drawn appearance of V views of each of B samples.
        crop: (B, V) int64, which crop a view shows.
        crop_affines: (N, 2, 3) float64, px of the source -> px of the crop.
    """
    level, inverse = _sampling(affines, crop_affines[crop])
    colour, grey, blur, noise, seed, one_sided, cutout, sobel = _columns(looks)
    coloured, noisy = _rows((colour != NEUTRAL).any(axis=1)), _rows(noise > 0)
    blurred = _rows(_radius(blur) > 0)
    cut_out = _rows((cutout[:, 0] < cutout[:, 2]) & (cutout[:, 1] < cutout[:, 3]))
    return Recipe(
        crop=crop.astype(np.int64),
        affine=inverse.astype(np.float32),
        levels=tuple(_rows(level.ravel() == times) for times in range(level.max() + 1)),
        coloured=coloured,
        colour=_colour(colour[coloured]),
        grey=_rows(grey),
        blurred=blurred,
        kernel=_kernels(blur[blurred]),
        noisy=noisy,
        noise=noise[noisy].astype(np.float32),
        noise_start=noise_offset(seed[noisy]),
        one_sided=one_sided[noisy],
        cut_out=cut_out,
        rectangle=cutout[cut_out],
        sobel=_rows(sobel),
    )


def _sampling(affines: np.ndarray, crop_affines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each view, the halvings of its crop (B, V) and the map from px of the view onto it.

    The scale is computed by the operations of `geometric.Pyramid`, in their order: a view on the
    border between two levels must be on the same side.
    """
    linear = affines[..., :2] / crop_affines[..., :1, :1]
    a, b, c, d = (linear[..., i, j] for i in (0, 1) for j in (0, 1))
    level = np.maximum(-np.frexp(np.sqrt(np.abs(a * d - b * c)))[1], 0)
    scale = np.ldexp(1.0, -level)[..., None, None]
    inverse = scale * maps.compose(crop_affines, maps.invert(affines))
    inverse[..., 2:] += 0.5 * scale - 0.5
    return level, inverse


def _columns(looks: Iterable[Iterable[Appearance]]) -> tuple[np.ndarray, ...]:
    """The fields of all appearances: (B V, ...) each."""
    return tuple(map(np.array, zip(*itertools.chain.from_iterable(looks), strict=True)))


def _rows(chosen: np.ndarray) -> np.ndarray:
    return np.flatnonzero(chosen)


def _colour(colours: np.ndarray) -> np.ndarray:
    """(R, 4) -> matrices (R, 3, 4) float32, rounded as OpenCV does."""
    matrices = colour_matrices(colours)
    matrices[..., 3] += 0.5
    return (np.rint(matrices / _COLOUR_UNIT) * _COLOUR_UNIT).astype(np.float32)


def _radius(sigmas: np.ndarray) -> np.ndarray:
    """Taps on each side of a kernel's centre."""
    return np.trunc(3.5 * sigmas)


def _kernels(sigmas: np.ndarray) -> np.ndarray:
    """albumentations' Gaussian kernels (R, K) float32 of deviations in px, padded with zeros."""
    radii = _radius(sigmas)[:, None]
    reach = int(radii.max(initial=0))
    taps = np.arange(-reach, reach + 1)
    kernels = np.exp(-0.5 * (taps / sigmas[:, None]) ** 2) * (np.abs(taps) <= radii)
    return (kernels / kernels.sum(axis=1, keepdims=True)).astype(np.float32)
