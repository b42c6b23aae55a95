"""Tracked colour: hue, saturation, gain and bias as one 3x4 matrix, and the map between two views.

colour (..., 4) = (hue shift h in rad, saturation s, gain g, bias b in 0..255) takes an RGB colour
c to g (m + s R(h) (c - m)) + b, where m is the mean of its channels (its grey) and R turns about
the grey axis. These maps form a group: hue shifts add, saturations and gains multiply.
"""

import math

import numpy as np
import torch
from torch import Tensor


def colour_matrix(colour: tuple[float, float, float, float]) -> np.ndarray:
    """(3, 4) float64, for (r, g, b, 1).

    A turn about the grey axis treats the channels alike, so each row is the one above it shifted.
    """
    hue, saturation, gain, bias = colour
    cos, sin = saturation * math.cos(hue) / 3, saturation * math.sin(hue) / math.sqrt(3)
    own, following, preceding = 1 / 3 + 2 * cos, 1 / 3 - cos - sin, 1 / 3 - cos + sin
    rows = (own, following, preceding), (preceding, own, following), (following, preceding, own)
    return np.array([[gain * weight for weight in row] + [bias] for row in rows])


def relative_colour(colour: Tensor) -> Tensor:
    """C2 . C1^-1 of the two views' maps (B, 2, 4), as (B, 4):

    hue difference (rad), log ratio of saturation, log ratio of gain, b2 - (g2 / g1) b1.
    """
    (h1, s1, g1, b1), (h2, s2, g2, b2) = (colour[:, view].unbind(-1) for view in (0, 1))
    return torch.stack((h2 - h1, (s2 / s1).log(), (g2 / g1).log(), b2 - g2 / g1 * b1), dim=-1)


def relative_colour_valid(grey: Tensor, sobel: Tensor) -> Tensor:
    """Which entries of `relative_colour` can be seen (B, 4), from grey and sobel (B, 2) bool.

    A grey view has lost hue and saturation, one under Sobel all four.
    """
    colourful, plain = ~grey.any(1) & ~sobel.any(1), ~sobel.any(1)
    return torch.stack((colourful, colourful, plain, plain), dim=-1)
