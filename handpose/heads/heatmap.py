"""The heatmap head: a latent 2.5D heatmap for each joint, read by soft-argmax.

Iqbal et al., ECCV 2018 (arXiv 1804.09534), section 4: the heatmaps are latent, supervised through
the coordinates. Beside that they may be pulled towards Gaussians about the joints, as in DSNT
(Nibali et al., arXiv 1801.07372, section 4.3).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.geometry.heatmap import gaussian_heatmaps, soft_argmax, spatial_softmax
from handpose.heads.base import Head
from handpose.losses import masked_mean
from handpose.records import Features, Prediction, Target
from handpose.skeleton import NUM_JOINTS
from handpose.weights.load import describe_misfit


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
        self.sigma = sigma
        self.heatmap_weight = heatmap_weight
        self.decoder = TopDown(
            channels=contract["channels"],
            width=width,
            stride=stride,
            image_size=contract["image_size"],
        )
        self.maps = nn.Conv2d(width, 2 * NUM_JOINTS, 1)

    def take_decoder(self, state: Mapping[str, Tensor]) -> None:
        own = self.decoder.state_dict()
        if misfit := describe_misfit(own, state, naming="the decoder of an objective"):
            raise ValueError(
                "The decoder that was pre-trained does not fit head=heatmap: set head.width to its "
                f"objective's decoder_width, or finetune.transfer_decoder=false{misfit}"
            )
        self.decoder.load_state_dict(state)

    def loss(self, prediction: Prediction, target: Target) -> dict[str, Tensor]:
        """The pose loss and "loss_heatmap", the cross-entropy to `gaussian_heatmaps`."""
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
        """(u, v) by soft-argmax; z is the depth map's mean under the heatmap (eq. 5)."""
        logits, depth = self.maps(self.decoder(features)).float().chunk(2, dim=1)
        heatmap = spatial_softmax(logits)
        z = (heatmap * depth).sum((2, 3))
        return torch.cat((soft_argmax(heatmap, self.image_size), z[..., None]), dim=-1), heatmap
