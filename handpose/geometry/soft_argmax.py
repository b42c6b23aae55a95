"""Heatmaps and the positions they stand for. J joints or keypoints, h, w cells, S crop px."""

import torch
from torch import Tensor


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
    u = (torch.arange(width, device=heatmap.device) + 0.5) * (image_size / width) - 0.5
    v = (torch.arange(height, device=heatmap.device) + 0.5) * (image_size / height) - 0.5
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
    cells = torch.arange(side, device=uv.device)
    centre = ((uv + 0.5) * (side / image_size) - 0.5).clamp(-0.5, side - 0.5)
    u, v = (
        (-((cells - centre[..., None, axis : axis + 1]) ** 2) / (2 * sigma**2)).squeeze(-2)
        for axis in (0, 1)
    )
    return torch.softmax(v, dim=-1)[..., :, None] * torch.softmax(u, dim=-1)[..., None, :]
