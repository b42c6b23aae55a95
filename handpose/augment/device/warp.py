"""Batched warps from a pyramid of crops, to the pixels of `geometric.Pyramid`.

N crops in slots of P x Q px, R views, S side of a view in px. The crops are of different sizes,
each in the upper left of its slot.
"""

import torch
from torch import Tensor


def pack(pixels: Tensor) -> Tensor:
    """Packs the channels of (N, P, Q, 3) uint8 into (N, P, Q) int32, to be gathered at once."""
    wide = torch.nn.functional.pad(pixels, (0, 1))
    return wide.view(torch.int32)[..., 0]


def halve(pixels: Tensor, sizes: Tensor) -> Tensor:
    """Returns the means of blocks of 2x2 px; an odd last row or column counts twice.

    Args:
        pixels: (N, P, Q, 3) uint8.
        sizes: (N, 2) int64 width and height of each crop in its slot.

    Returns:
        (N, (P + 1) // 2, (Q + 1) // 2, 3) uint8.
    """
    width, height = sizes.unbind(1)
    sums = _pair_sums(pixels.short(), width, 2)
    return ((_pair_sums(sums, height, 1) + 2) >> 2).to(torch.uint8)


def _pair_sums(values: Tensor, lengths: Tensor, axis: int) -> Tensor:
    """Sums of neighbours along an axis; beyond a crop's length, its last px is repeated."""
    if values.shape[axis] % 2:
        values = torch.cat((values, values.narrow(axis, values.shape[axis] - 1, 1)), axis)
    first, second = values.unflatten(axis, (-1, 2)).unbind(axis + 1)
    at = torch.arange(1, values.shape[axis], 2, device=values.device)
    inside = at < lengths[:, None]
    shape = [len(lengths), 1, 1, 1]
    shape[axis] = len(at)
    return first + torch.where(inside.view(shape), second, first)


def sample(packed: Tensor, crop: Tensor, sizes: Tensor, affine: Tensor, size: int) -> Tensor:
    """Renders R views (R, 3, S, S) uint8, bilinear, reflected at the border of the crops.

    Args:
        packed: (N, P, Q) int32, from `pack`.
        crop: (R,) int64, which crop a view shows.
        sizes: (R, 2) int64 width and height of that crop.
        affine: (R, 2, 3) float32, px of the view -> px of the crop.
        size: S.
    """
    last = (sizes - 1)[:, :, None, None]
    at = _reflected(_coordinates(affine, size), last.float())
    first = at.long()
    second, share = torch.minimum(first + 1, last), at - first
    pixels, row = packed.flatten(), packed.shape[2]
    start = crop[:, None, None] * packed[0].numel()

    def across(v: Tensor) -> Tensor:
        """Interpolates along row `v` of the crop."""
        left, right = (_gathered(pixels, start + v * row + end[:, 0]) for end in (first, second))
        return torch.lerp(left, right, share[:, :1])

    views = torch.lerp(across(first[:, 1]), across(second[:, 1]), share[:, 1:])
    return views.round_().to(torch.uint8)


def _coordinates(affine: Tensor, size: int) -> Tensor:
    """Where the px of R views lie in their crops: (R, 2, S, S) float32."""
    steps = torch.arange(size, device=affine.device, dtype=torch.float32)
    along_u, along_v, shift = affine[..., None, None].unbind(2)
    return along_u * steps + along_v * steps[:, None] + shift


def _reflected(at: Tensor, last: Tensor) -> Tensor:
    """Coordinates moved into [0, last], as BORDER_REFLECT_101 does: a triangle wave.

    Args:
        at: (R, 2, S, S) float32.
        last: (R, 2, 1, 1) float32.
    """
    period = (2 * last).clamp(min=1)
    at = at - period * (at / period).floor_()
    return (last - (at - last).abs_()).clamp_(min=0)


def _gathered(pixels: Tensor, index: Tensor) -> Tensor:
    """Px (R, S, S) of packed pixels, as (R, 3, S, S) float32."""
    taken = pixels.take(index).view(torch.uint8).unflatten(-1, (-1, 4))
    planes = taken.permute(0, 3, 1, 2)[:, :3]
    return planes.to(torch.float32, memory_format=torch.contiguous_format)
