"""Heatmaps and the positions they stand for. J joints or keypoints, h, w cells, S crop px."""

import torch
from torch import Tensor

from handpose.geometry.bins import bin_centres, gaussian_bins, pixel_span


def soft_argmax(heatmap: Tensor, image_size: int) -> Tensor:
    """Returns the mean position (u, v) of heatmaps, registered to the crop's pixel grid.

    Cell i of w covers crop px [i S / w - 0.5, (i + 1) S / w - 0.5), so its centre lies at
    (i + 0.5) S / w - 0.5.

    Args:
        heatmap: (..., h, w), each summing to 1.
        image_size: S.

    Returns:
        (..., 2) px of the crop.
    """
    height, width = heatmap.shape[-2:]
    span = pixel_span(image_size)
    u, v = (bin_centres(span, count, heatmap.device) for count in (width, height))
    return torch.stack(((heatmap.sum(-2) * u).sum(-1), (heatmap.sum(-1) * v).sum(-1)), dim=-1)


def spatial_softmax(logits: Tensor) -> Tensor:
    """Logits (..., h, w) -> heatmaps of the same shape, each summing to 1; float32 or better."""
    whole = logits.to(torch.promote_types(logits.dtype, torch.float32)).flatten(-2)
    return whole.softmax(-1).unflatten(-1, logits.shape[-2:])


def gaussian_heatmaps(uv: Tensor, side: int, image_size: int, sigma: float) -> Tensor:
    """Returns Gaussians about joints. A joint outside the crop has its mass at the nearest border.

    Args:
        uv: (B, J, 2) px of the crop.
        side: h = w of the heatmaps.
        image_size: S.
        sigma: In cells.

    Returns:
        (B, J, side, side), each summing to 1.
    """
    span = pixel_span(image_size)
    u, v = (gaussian_bins(uv[..., axis], span, side, sigma) for axis in (0, 1))
    return v[..., :, None] * u[..., None, :]
