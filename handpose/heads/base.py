"""The contract of a head, and the way from its 2.5D pose to a metric one."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from handpose.geometry.pose25d import solve_root_depth, uvz_to_xyz
from handpose.hand import REFERENCE_BONES, ROOT
from handpose.losses import pose_25d_loss
from handpose.records import Features, Prediction, Target


class Head(nn.Module, ABC):
    """Features of a crop -> Prediction.

    Args:
        channels, strides, embedding_dim: of the backbone.
        image_size: S, the side of the crop in px.
        reference_bone: the bone whose length is 1 (see `handpose.hand`).
        depth_weight: weight of the error of z (reference bones) against that of u and v (crop
            sides). The 5 of the paper, for px of a crop of 128 px, is 5 / 128 = 0.04 here.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        embedding_dim: int,
        image_size: int,
        reference_bone: str,
        depth_weight: float,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.reference_bone = REFERENCE_BONES[reference_bone]
        self.depth_weight = depth_weight

    @abstractmethod
    def predict_uvz(self, features: Features, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Features, the backbone's embedding -> (uvz (B, J, 3), heatmap (B, J, h, w) or (B, 0))."""

    def forward(self, features: Features, embedding: Tensor, K: Tensor) -> Prediction:
        """K (B, 3, 3) is the crop's. The root depth is solved in float32, outside autocast."""
        uvz, heatmap = self.predict_uvz(features, embedding)
        with torch.autocast(uvz.device.type, enabled=False):
            uvz = uvz.float()
            z = uvz[..., 2:]
            uvz = torch.cat((uvz[..., :2], z - z[:, ROOT, None]), dim=-1)
            root_depth = solve_root_depth(uvz, K.float(), self.reference_bone)
            xyz = uvz_to_xyz(uvz, K.float(), root_depth)
        return Prediction(uvz, xyz, root_depth, heatmap)

    def loss(self, prediction: Prediction, target: Target) -> dict[str, Tensor]:
        """{"loss", "loss_uv" (crop sides), "loss_z" (reference bones)}, over labelled joints."""
        uv, z = pose_25d_loss(
            prediction.uvz, target.uvz, target.uv_valid, target.z_valid, image_size=self.image_size
        )
        return {"loss": uv + self.depth_weight * z, "loss_uv": uv, "loss_z": z}
