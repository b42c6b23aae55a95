"""Colour, grey, blur, noise, cut-out and Sobel of a batch, to the pixels of `appearance.render`.

Every function takes and returns R views (R, 3, S, S) uint8. Sums of few terms are written as such:
a matrix product or a convolution would follow the precision settings of a training step.
"""

import torch
from torch import Tensor


def colour(views: Tensor, matrices: Tensor) -> Tensor:
    """Applies a colour map to each view.

    Args:
        views: (R, 3, S, S) uint8.
        matrices: (R, 3, 4) float32 on (r, g, b, 1); the floor of the result counts.
    """
    weights, values = matrices[..., None, None], views.float()
    total = weights[:, :, 3] + weights[:, :, 0] * values[:, :1]
    for channel in (1, 2):
        total = total + weights[:, :, channel] * values[:, channel : channel + 1]
    return total.floor_().clamp_(0, 255).to(torch.uint8)


def grey(views: Tensor) -> Tensor:
    """Replaces the channels by their mean, rounded down."""
    mean = views.sum(1, keepdim=True, dtype=torch.int32) // 3
    return mean.to(torch.uint8).expand_as(views)


def blur(views: Tensor, kernels: Tensor) -> Tensor:
    """Blurs each view by its own separable kernel; reflects at the border.

    Args:
        views: (R, 3, S, S) uint8.
        kernels: (R, K) float32, K odd.
    """
    values = views.float()
    for axis in (3, 2):
        values = _convolved(values, kernels, axis)
    return _rounded(values)


def _convolved(values: Tensor, kernels: Tensor, axis: int) -> Tensor:
    length, taps = values.shape[axis], kernels.shape[1]
    padded = _padded(values, axis, taps // 2)
    weights = kernels[:, :, None, None, None].unbind(1)
    total = weights[0] * padded.narrow(axis, 0, length)
    for tap in range(1, taps):
        total = total.addcmul_(weights[tap], padded.narrow(axis, tap, length))
    return total


def _padded(values: Tensor, axis: int, margin: int) -> Tensor:
    """Values with `margin` px more at both ends of an axis, as BORDER_REFLECT_101 has them."""
    last = values.shape[axis] - 1
    at = torch.arange(-margin, last + margin + 1, device=values.device) % max(2 * last, 1)
    return values.index_select(axis, last - (at - last).abs())


def noise(
    views: Tensor, deviations: Tensor, starts: Tensor, one_sided: Tensor, bank: Tensor
) -> Tensor:
    """Adds to each view its slice of the bank of normal numbers.

    Args:
        views: (R, 3, S, S) uint8.
        deviations: (R,) float32 standard deviations (0..255).
        starts: (R,) int64 where the slices begin.
        one_sided: (R,) bool, the negative half of the noise is 0.
        bank: (numbers,) float32, from `noise_bank(S)`.
    """
    size, slices = views.shape[-1], bank.unfold(0, views[0].numel(), 1)
    unit = slices[starts].view(-1, size, size, 3).permute(0, 3, 1, 2)
    added = (deviations[:, None, None, None] * unit).round_()
    added = torch.where(one_sided[:, None, None, None], added.clamp(min=0), added)
    return (views + added).clamp_(0, 255).to(torch.uint8)


def cut_out(views: Tensor, rectangles: Tensor) -> Tensor:
    """Erases a rectangle of each view.

    Args:
        views: (R, 3, S, S) uint8.
        rectangles: (R, 5) int64 u0, v0, u1, v1 in px and the grey within.
    """
    steps = torch.arange(views.shape[-1], device=views.device)
    u0, v0, u1, v1, fill = rectangles[:, :, None].unbind(1)
    columns, rows = (u0 <= steps) & (steps < u1), (v0 <= steps) & (steps < v1)
    inside = (rows[:, :, None] & columns[:, None])[:, None]
    return torch.where(inside, fill[..., None, None].to(torch.uint8), views)


def sobel(views: Tensor) -> Tensor:
    """Replaces each view by the gradient magnitude (kernel 3) of its channels' mean."""
    mean = views.float().sum(1, keepdim=True) / 3
    padded = _padded(_padded(mean, 3, 1), 2, 1)
    du, dv = _slope(padded, 3, 2), _slope(padded, 2, 3)
    return _rounded((du * du + dv * dv).sqrt_()).expand_as(views)


def _slope(padded: Tensor, along: int, across: int) -> Tensor:
    """The difference of the two neighbours along an axis, smoothed (1, 2, 1) across it."""
    length = padded.shape[along] - 2
    difference = padded.narrow(along, 2, length) - padded.narrow(along, 0, length)
    first, middle, last = (difference.narrow(across, start, length) for start in range(3))
    return first + 2 * middle + last


def _rounded(values: Tensor) -> Tensor:
    return values.round_().clamp_(0, 255).to(torch.uint8)
