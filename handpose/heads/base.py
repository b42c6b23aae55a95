"""The contract of a head, and the way from its 2.5D pose to a metric one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from handpose.geometry.palm import palm_to_wrist, solve_wrist_depth
from handpose.geometry.pose25d import solve_root_depth, uvz_to_xyz
from handpose.heads.palm import palm_target
from handpose.heads.refine import RootDepthRefiner
from handpose.losses import masked_mean, pose_25d_loss
from handpose.records import Features, Prediction, Target
from handpose.skeleton import REFERENCE_BONES, ROOT


class Head(nn.Module, ABC):
    """Features of a crop -> Prediction.

    Args:
        channels, strides, embedding_dim: of the backbone.
        image_size: S, the side of the crop in px.
        reference_bone: the bone whose length is 1 (see `handpose.skeleton`).
        depth_weight: weight of the error of z (reference bones) against that of u and v (crop
            sides). The 5 of the paper, for px of a crop of 128 px, is 5 / 128 = 0.04 here.
        root: "wrist", or "palm": joint 0 of what the head itself predicts is the palm's centre (see
            `handpose.geometry.palm`). Whatever leaves the head has the wrist there.
        root_depth: "solve" (see `solve_root_depth`), or "refined" (see `RootDepthRefiner`).
        refine_weight: weight of the refined root depth's error. As it reaches the MLP alone, an
            optimizer that divides by the gradient's size, as Adam does, hardly feels it.

    Raises:
        ValueError: `root` or `root_depth` is no such word.
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
        root: str,
        root_depth: str,
        refine_weight: float,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.reference_bone = REFERENCE_BONES[reference_bone]
        self.depth_weight = depth_weight
        self.about_palm = is_second(root, "root", "wrist", "palm")
        is_refined = is_second(root_depth, "root_depth", "solve", "refined")
        with torch.random.fork_rng(devices=[]):  # with and without it the rest starts the same
            self.refiner = RootDepthRefiner() if is_refined else None
        self.refine_weight = refine_weight

    def take_decoder(self, state: Mapping[str, Tensor]) -> None:
        """Starts from a `TopDown` that was pre-trained with the backbone, if there is use for it.

        Raises:
            ValueError: it is of another shape; says what to do.
        """

    @abstractmethod
    def predict_uvz(self, features: Features, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Features, the backbone's embedding -> (uvz (B, J, 3), heatmap (B, J, h, w) or (B, 0)).

        Joint 0 is the head's own root, the wrist or the palm.
        """

    def forward(self, features: Features, embedding: Tensor, K: Tensor) -> Prediction:
        """K (B, 3, 3) is the crop's. Depths are found in float32, outside autocast."""
        own, heatmap = self.predict_uvz(features, embedding)
        with torch.autocast(own.device.type, enabled=False):
            own, K = _from_joint_0(own.float()), K.float()
            solve = solve_wrist_depth if self.about_palm else solve_root_depth
            solved = solve(own, K, self.reference_bone)
            depth = solved if self.refiner is None else self._refine(own, K, solved)
            uvz = self._about_wrist(own, K, depth)
            xyz = uvz_to_xyz(uvz, K, depth)
        is_refined = torch.full_like(depth, self.refiner is not None, dtype=torch.bool)
        return Prediction(uvz, xyz, depth, heatmap, solved, is_refined, own)

    def _refine(self, own: Tensor, K: Tensor, solved: Tensor) -> Tensor:
        """The refined root depth (B,); it does not bend the pose, which gets no gradient of it."""
        assert self.refiner is not None
        own, solved = own.detach(), solved.detach()
        return self.refiner(self._about_wrist(own, K, solved), K, solved)

    def _about_wrist(self, own: Tensor, K: Tensor, depth: Tensor) -> Tensor:
        """What the head predicted (B, J, 3), with the wrist, `depth` (B,) away, at joint 0."""
        if not self.about_palm:
            return own
        has_camera = (torch.eye(3, device=K.device) != K).flatten(1).any(1)
        return palm_to_wrist(own, depth, has_camera)

    def own_target(self, target: Target) -> Target:
        """The truth with the head's own root at joint 0 of uvz, to compare `own_uvz` with."""
        return palm_target(target) if self.about_palm else target

    def loss(self, prediction: Prediction, target: Target) -> dict[str, Tensor]:
        """{"loss", "loss_uv" (crop sides), "loss_z" (reference bones)}, over labelled joints.

        With a refined root depth also "loss_root_depth" (reference bones).
        """
        own = self.own_target(target)
        uv, z = pose_25d_loss(
            prediction.own_uvz, own.uvz, own.uv_valid, own.z_valid, image_size=self.image_size
        )
        terms = {"loss": uv + self.depth_weight * z, "loss_uv": uv, "loss_z": z}
        if self.refiner is None:
            return terms
        depth = root_depth_loss(prediction, target)
        loss = terms["loss"] + self.refine_weight * depth
        return {**terms, "loss": loss, "loss_root_depth": depth}


def root_depth_loss(prediction: Prediction, target: Target) -> Tensor:
    """L1 of the root depth in reference bones, where both are labelled and there is a camera."""
    error = prediction.root_depth - target.xyz[:, ROOT, 2] / target.bone
    return masked_mean(error.abs(), target.z_valid[:, ROOT] & target.K_valid)


def _from_joint_0(uvz: Tensor) -> Tensor:
    """(B, J, 3) with every z counted from that of joint 0."""
    return torch.cat((uvz[..., :2], uvz[..., 2:] - uvz[:, ROOT, None, 2:]), dim=-1)


def is_second(value: str, name: str, first: str, second: str) -> bool:
    """Whether a setting of the head is the second of its two words."""
    if value not in (first, second):
        raise ValueError(f"head.{name}={value}: expected {first} or {second}")
    return value == second
