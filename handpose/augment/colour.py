"""Tracked colour: hue, saturation, gain and bias as one 3x4 matrix, and the map between two views.

colour (..., 4) = (hue shift h in rad, saturation s, gain g, bias b in 0..255) takes an RGB colour
c to g (m + s R(h) (c - m)) + b, where m is the mean of its channels (its grey) and R turns about
the grey axis. These maps form a group: hue shifts add, saturations and gains multiply.
"""

import numpy as np
import torch
from torch import Tensor

_GREY = np.full((3, 3), 1 / 3)
_CROSS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)


def colour_matrix(colour: np.ndarray) -> np.ndarray:
    """One row (4,) -> (3, 4) float64, for (r, g, b, 1)."""
    hue, saturation, gain, bias = colour.astype(np.float64)
    turned = np.cos(hue) * (np.eye(3) - _GREY) + np.sin(hue) * _CROSS
    return np.hstack((gain * (_GREY + saturation * turned), np.full((3, 1), bias)))


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
