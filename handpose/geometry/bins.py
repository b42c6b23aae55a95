"""Distributions over equal bins of an interval. N bins, S crop px.

The crop's pixel grid spans [-0.5, S - 0.5), since integers are pixel centres. So bin i of N has its
centre at (i + 0.5) S / N - 0.5, whether it is finer or coarser than a pixel.
"""

import torch
from torch import Tensor


def pixel_span(image_size: int) -> tuple[float, float]:
    """Returns the ends of the crop's pixel grid along one axis, in px of the crop."""
    return -0.5, image_size - 0.5


def bin_centres(
    span: tuple[float, float], count: int, device: torch.device | None = None
) -> Tensor:
    """Returns the centres (N,) of equal bins.

    Args:
        span: Low and high end of the interval.
        count: N.
        device: Of the result.
    """
    low, high = span
    return (torch.arange(count, device=device) + 0.5) * ((high - low) / count) + low


def gaussian_bins(value: Tensor, span: tuple[float, float], count: int, sigma: float) -> Tensor:
    """Returns Gaussians about values. A value outside the span has its mass at the nearest end.

    Args:
        value: (...), in the unit of `span`.
        span: Low and high end of the interval.
        count: N.
        sigma: In bins.

    Returns:
        (..., N), each summing to 1.
    """
    low, high = span
    centre = ((value - low) * (count / (high - low)) - 0.5).clamp(-0.5, count - 0.5)
    bins = torch.arange(count, device=value.device)
    return torch.softmax(-((bins - centre[..., None]) ** 2) / (2 * sigma**2), dim=-1)


def expected_value(probability: Tensor, span: tuple[float, float]) -> Tensor:
    """Returns the means (...) of distributions over bins, differentiable and finer than a bin.

    Args:
        probability: (..., N), each summing to 1.
        span: Low and high end of the interval.
    """
    centres = bin_centres(span, probability.shape[-1], probability.device)
    return (probability * centres).sum(-1)


def likeliest_value(probability: Tensor, span: tuple[float, float]) -> Tensor:
    """Returns the centres (...) of the likeliest bins; they have no gradient.

    Args:
        probability: (..., N).
        span: Low and high end of the interval.
    """
    centres = bin_centres(span, probability.shape[-1], probability.device)
    return centres[probability.argmax(-1)]
