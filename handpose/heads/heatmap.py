"""The heatmap head: a latent 2.5D heatmap for each joint, read by soft-argmax.

Iqbal et al., ECCV 2018 (arXiv 1804.09534), section 4: the heatmaps are latent, supervised through
the coordinates. Beside that they may be pulled towards Gaussians about the joints, as in DSNT
(Nibali et al., arXiv 1801.07372, section 4.3). The decoder brings the coarse levels up to the
stride of the heatmaps by a top-down pathway (Lin et al., Feature Pyramid Networks, arXiv
1612.03144).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handpose.hand import NUM_JOINTS
from handpose.heads.base import Head
from handpose.losses import masked_mean
from handpose.records import Features, Prediction, Target


def soft_argmax(heatmap: Tensor, image_size: int) -> Tensor:
    """The mean position (..., 2) = (u, v) in px of the crop, of heatmaps (..., h, w) that sum to 1.

    Cell i of w covers crop px [i S / w - 0.5, (i + 1) S / w - 0.5), so its centre lies at
    (i + 0.5) S / w - 0.5: registered to the crop's pixel grid at any resolution.
    """
    height, width = heatmap.shape[-2:]
    u = (torch.arange(width, device=heatmap.device) + 0.5) * (image_size / width) - 0.5
    v = (torch.arange(height, device=heatmap.device) + 0.5) * (image_size / height) - 0.5
    return torch.stack(((heatmap.sum(-2) * u).sum(-1), (heatmap.sum(-1) * v).sum(-1)), dim=-1)


def gaussian_heatmaps(uv: Tensor, side: int, image_size: int, sigma: float) -> Tensor:
    """Gaussians of `sigma` cells about uv (B, J, 2) px, each summing to 1. (B, J, side, side)

    A joint outside the crop gets its mass at the nearest border.
    """
    cells = torch.arange(side, device=uv.device)
    centre = ((uv + 0.5) * (side / image_size) - 0.5).clamp(-0.5, side - 0.5)
    u, v = (
        (-((cells - centre[..., None, axis : axis + 1]) ** 2) / (2 * sigma**2)).squeeze(-2)
        for axis in (0, 1)
    )
    return torch.softmax(v, dim=-1)[..., :, None] * torch.softmax(u, dim=-1)[..., None, :]


class HeatmapHead(Head):
    """Feature pyramid -> J heatmaps and J depth maps at `stride`.

    Args:
        width: channels of the decoder.
        stride: of the heatmaps; levels coarser than it are brought up, also where the finest is.
        sigma: of the Gaussians that the heatmaps are pulled towards, in cells.
        heatmap_weight: of that pull (0: wholly latent, as published).
        **contract: what every head takes (see `Head`).
    """

    def __init__(
        self, *, width: int, stride: int, sigma: float, heatmap_weight: float, **contract: Any
    ) -> None:
        super().__init__(**contract)
        self.stride = stride
        self.sigma = sigma
        self.heatmap_weight = heatmap_weight
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in contract["channels"])
        self.smooth = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.maps = nn.Conv2d(width, 2 * NUM_JOINTS, 1)

    def loss(self, prediction: Prediction, target: Target) -> dict[str, Tensor]:
        """The pose loss and "loss_heatmap", the cross-entropy to `gaussian_heatmaps`."""
        terms = super().loss(prediction, target)
        wanted = gaussian_heatmaps(
            target.uvz[..., :2], prediction.heatmap.shape[-1], self.image_size, self.sigma
        )
        surprise = -(wanted * prediction.heatmap.clamp(min=1e-12).log()).sum((2, 3))
        heatmap = masked_mean(surprise, target.uv_valid)
        return {
            **terms,
            "loss": terms["loss"] + self.heatmap_weight * heatmap,
            "loss_heatmap": heatmap,
        }

    def decode(self, features: Features) -> Tensor:
        """The top-down pathway: (B, width, S / stride, S / stride)."""
        level = self.lateral[-1](features[-1])
        for lateral, finer in zip(self.lateral[-2::-1], features[-2::-1], strict=True):
            level = lateral(finer) + F.interpolate(level, size=finer.shape[-2:], mode="bilinear")
        side = self.image_size // self.stride
        if level.shape[-1] != side:
            level = F.interpolate(level, size=(side, side), mode="bilinear")
        return self.smooth(level)

    def predict_uvz(self, features: Features, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """(u, v) by soft-argmax; z is the depth map's mean under the heatmap (eq. 5)."""
        logits, depth = self.maps(self.decode(features)).float().chunk(2, dim=1)
        heatmap = logits.flatten(2).softmax(-1).unflatten(2, logits.shape[2:])
        z = (heatmap * depth).sum((2, 3))
        return torch.cat((soft_argmax(heatmap, self.image_size), z[..., None]), dim=-1), heatmap
