"""The heatmap head: a latent 2.5D heatmap per joint, read by soft-argmax.

Iqbal et al., ECCV 2018 (arXiv 1804.09534), section 4: the heatmaps are latent, supervised through
the coordinates. They may also be pulled towards Gaussians about the joints, as in DSNT (Nibali et
al., arXiv 1801.07372, section 4.3).
"""

from typing import Any

import torch
from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.distributed.collectives import masked_mean
from handpose.geometry.soft_argmax import gaussian_heatmaps, soft_argmax, spatial_softmax
from handpose.heads.base import Head
from handpose.records import Features, Prediction, Target
from handpose.skeleton import NUM_JOINTS


class HeatmapHead(Head):
    """Feature pyramid -> J heatmaps and J depth maps at `stride`.

    Args:
        width: Channels of the decoder.
        stride: Of the heatmaps in px; may be finer than the finest level's.
        sigma: Of the target Gaussians, in cells.
        heatmap_weight: Of the pull towards the Gaussians (0: wholly latent, as published).
        **contract: See `Head`.
    """

    decoder: TopDown

    def __init__(
        self,
        *,
        width: int = 64,
        stride: int = 4,
        sigma: float = 1.0,
        heatmap_weight: float = 0.05,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.sigma = sigma
        self.heatmap_weight = heatmap_weight
        self.decoder = TopDown(
            channels=contract["channels"],
            strides=contract["strides"],
            width=width,
            stride=stride,
            image_size=self.image_size,
        )
        self.maps = nn.Conv2d(width, 2 * NUM_JOINTS, 1)

    def loss(self, prediction: Prediction, target: Target) -> dict[str, Tensor]:
        """Adds "loss_heatmap", the cross-entropy to `gaussian_heatmaps`, to the pose loss."""
        terms, own = super().loss(prediction, target), self.own_target(target)
        wanted = gaussian_heatmaps(
            own.uvz[..., :2], prediction.heatmap.shape[-1], self.image_size, self.sigma
        )
        surprise = -(wanted * prediction.heatmap.clamp(min=1e-12).log()).sum((2, 3))
        heatmap = masked_mean(surprise, own.uv_valid)
        return {
            **terms,
            "loss": terms["loss"] + self.heatmap_weight * heatmap,
            "loss_heatmap": heatmap,
        }

    def predict_uvz(self, features: Features, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Reads (u, v) by soft-argmax; z is the depth map's mean under the heatmap (eq. 5)."""
        logits, depth = self.maps(self.decoder(features)).float().chunk(2, dim=1)
        heatmap = spatial_softmax(logits)
        z = (heatmap * depth).sum((2, 3))
        return torch.cat((soft_argmax(heatmap, self.image_size), z[..., None]), dim=-1), heatmap
