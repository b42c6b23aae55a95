"""The interface of a head, and the way from its 2.5D pose to a metric one. B batch, J = 21."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.distributed.collectives import masked_mean
from handpose.geometry.palm import PALM_END, palm_to_wrist, solve_wrist_depth, wrist_to_palm
from handpose.geometry.pose25d import solve_root_depth, uvz_to_xyz
from handpose.heads.confidence import likely_near, mass_near, scale_loss
from handpose.heads.refine import RootDepthRefiner
from handpose.records import Features, Prediction, Target
from handpose.skeleton import REFERENCE_BONES, ROOT
from handpose.weights.load import describe_misfit


class Head(nn.Module, ABC):
    """Features of a crop -> Prediction.

    Args:
        channels: Of the backbone's levels.
        strides: Of the backbone's levels, in px.
        embedding_dim: E, width of the backbone's embedding.
        image_size: S, the side of the crop in px.
        reference_bone: The bone of length 1, a key of `handpose.skeleton.REFERENCE_BONES`.
        depth_weight: Weight of the error of z (reference bones) against that of u and v (crop
            sides). The paper's 5, for px of a crop of 128 px, is 5 / 128 = 0.04 here.
        root: Joint 0 of the head's own output: "wrist", or "palm", the palm's centre (see
            `handpose.geometry.palm`). The prediction always has the wrist there.
        root_depth: "solve" (see `solve_root_depth`), or "refined" (see `RootDepthRefiner`).
        refine_weight: Weight of the refined root depth's error. It reaches the MLP alone, so an
            optimizer that divides by the gradient's size, such as Adam, barely depends on it.

    Raises:
        ValueError: `root` or `root_depth` is neither of its words.

    Attributes:
        decoder: From the pyramid to one map, if the head has one.
        scale: Layer that predicts the scale of the error, if the head has one. Models from before
            it have None.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        embedding_dim: int,
        image_size: int,
        reference_bone: str = "index",
        depth_weight: float = 0.1,
        root: str = "wrist",
        root_depth: str = "solve",
        refine_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.reference_bone = REFERENCE_BONES[reference_bone]
        self.depth_weight = depth_weight
        self.about_palm = is_second(root, "root", "wrist", "palm")
        is_refined = is_second(root_depth, "root_depth", "solve", "refined")
        with torch.random.fork_rng(devices=[]):  # the rest starts the same with and without it
            self.refiner = RootDepthRefiner() if is_refined else None
        self.refine_weight = refine_weight
        self.decoder: TopDown | None = None
        self.scale: nn.Module | None = None

    def take_decoder(self, state: Mapping[str, Tensor]) -> None:
        """Starts from the state of a pre-trained `TopDown`; no-op without a decoder.

        Raises:
            ValueError: Its shape is another; the message says what to do.
        """
        if self.decoder is None:
            return
        own = self.decoder.state_dict()
        if misfit := describe_misfit(own, state, naming="the decoder of an objective"):
            raise ValueError(
                "The pre-trained decoder does not fit the head: set head.width to its "
                f"objective's decoder_width, or finetune.transfer_decoder=false{misfit}"
            )
        self.decoder.load_state_dict(state)

    @abstractmethod
    def predict_uvz(self, features: Features, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts the 2.5D pose, with the head's own root (wrist or palm) as joint 0.

        Args:
            features: Level i is (B, channels[i], h, w).
            embedding: (B, E).

        Returns:
            uvz (B, J, 3) px, px, reference bones, and what the confidence is made of: heatmaps
            (B, J, h, w), log-probabilities of bins (B, J, N), the log of Laplace scales (B, J) in
            crop sides, or nothing (B, 0).
        """

    def forward(self, features: Features, embedding: Tensor, K: Tensor) -> Prediction:
        """Predicts the pose; depths in float32, outside autocast.

        Args:
            features: Level i is (B, channels[i], h, w).
            embedding: (B, E).
            K: (B, 3, 3) of the crop.
        """
        own, evidence = self.predict_uvz(features, embedding)
        with torch.autocast(own.device.type, enabled=False):
            own, K = _from_joint_0(own.float()), K.float()
            solve = solve_wrist_depth if self.about_palm else solve_root_depth
            solved = solve(own, K, self.reference_bone)
            depth = solved if self.refiner is None else self._refine(own, K, solved)
            uvz = self._about_wrist(own, K, depth)
            xyz = uvz_to_xyz(uvz, K, depth)
            confidence = self.raw_confidence(uvz[..., :2], evidence)
        is_refined = torch.full_like(depth, self.refiner is not None, dtype=torch.bool)
        nothing = own.new_empty(own.shape[0], 0)
        return Prediction(
            uvz=uvz,
            xyz=xyz,
            root_depth=depth,
            heatmap=evidence if evidence.ndim == 4 else nothing,
            log_bins=evidence if evidence.ndim == 3 else nothing,
            solved_root_depth=solved,
            is_refined=is_refined,
            own_uvz=own,
            log_scale=evidence if evidence.ndim == 2 else nothing,
            confidence=confidence,
            hand_confidence=confidence.sum(1) / max(1, confidence.shape[1]),
        )

    def raw_confidence(self, uv: Tensor, evidence: Tensor) -> Tensor:
        """Returns the confidence before calibration (B, J) in 0..1, or (B, 0) without evidence.

        Args:
            uv: (B, J, 2) px of the crop.
            evidence: What `predict_uvz` returned beside the pose.
        """
        if evidence.ndim == 4:
            return mass_near(evidence, uv, self.image_size)
        return likely_near(evidence)

    def _refine(self, own: Tensor, K: Tensor, solved: Tensor) -> Tensor:
        """The refined root depth (B,); the pose gets no gradient of it."""
        assert self.refiner is not None
        own, solved = own.detach(), solved.detach()
        return self.refiner(self._about_wrist(own, K, solved), K, solved)

    def _about_wrist(self, own: Tensor, K: Tensor, depth: Tensor) -> Tensor:
        """The head's own pose (B, J, 3) with the wrist, at `depth` (B,), as joint 0."""
        if not self.about_palm:
            return own
        has_camera = (torch.eye(3, device=K.device) != K).flatten(1).any(1)
        return palm_to_wrist(own, depth, has_camera)

    def own_target(self, target: Target) -> Target:
        """Returns the truth with the head's own root as joint 0 of uvz, to compare `own_uvz`."""
        return palm_target(target) if self.about_palm else target

    def loss(self, prediction: Prediction, target: Target) -> dict[str, Tensor]:
        """Computes the loss over labelled joints.

        Args:
            prediction: What `forward` returned.
            target: The labels of the same crops.

        Returns:
            "loss", "loss_uv" (crop sides), "loss_z" (reference bones), with a refined root depth
            "loss_root_depth" (reference bones), and with a scale "loss_scale", which is no part of
            "loss" and has no gradient in the pose.
        """
        own = self.own_target(target)
        uv, z = pose_25d_loss(
            prediction.own_uvz, own.uvz, own.uv_valid, own.z_valid, image_size=self.image_size
        )
        terms = {"loss": uv + self.depth_weight * z, "loss_uv": uv, "loss_z": z}
        if prediction.log_scale.shape[1]:
            error = (prediction.uvz - target.uvz)[..., :2].abs().mean(-1) / self.image_size
            terms["loss_scale"] = scale_loss(prediction.log_scale, error, target.uv_valid)
        if self.refiner is None:
            return terms
        depth = root_depth_loss(prediction, target)
        loss = terms["loss"] + self.refine_weight * depth
        return {**terms, "loss": loss, "loss_root_depth": depth}


def pose_25d_loss(
    predicted: Tensor, true: Tensor, uv_valid: Tensor, z_valid: Tensor, *, image_size: int
) -> tuple[Tensor, Tensor]:
    """L1 of the 2.5D pose over labelled joints.

    Args:
        predicted: (B, J, 3) uvz in px of the crop and reference bones.
        true: (B, J, 3).
        uv_valid: (B, J) bool.
        z_valid: (B, J) bool.
        image_size: S in px.

    Returns:
        The loss of u and v (), in crop sides, and of z (), in reference bones.
    """
    error = (predicted - true).abs()
    uv = masked_mean(error[..., :2].mean(-1) / image_size, uv_valid)
    return uv, masked_mean(error[..., 2], z_valid)


def root_depth_loss(prediction: Prediction, target: Target) -> Tensor:
    """L1 of the root depth in reference bones, over hands with a label and a camera: ().

    Args:
        prediction: Of a head with a refined root depth.
        target: The labels of the same crops.
    """
    error = prediction.root_depth - target.xyz[:, ROOT, 2] / target.bone
    return masked_mean(error.abs(), target.z_valid[:, ROOT] & target.K_valid)


def palm_target(target: Target) -> Target:
    """Returns `target` with uvz and its validity about the palm (see `handpose.geometry.palm`).

    z needs the palm's far end labelled too. uv of the palm needs both of its ends in 2D and, with a
    camera, their depths; without one it is the midpoint, by weak perspective.
    """
    has_end = target.z_valid[:, PALM_END]
    has_depth = has_end & target.z_valid[:, ROOT] & target.K_valid
    uv_valid = target.uv_valid.clone()
    uv_valid[:, ROOT] &= target.uv_valid[:, PALM_END] & (has_depth | ~target.K_valid)
    uvz = wrist_to_palm(target.uvz, target.xyz[:, ROOT, 2] / target.bone, has_depth)
    z_valid = target.z_valid & has_end[:, None]
    valid = torch.stack((uv_valid, uv_valid, z_valid), dim=-1)
    return target._replace(uvz=torch.where(valid, uvz, 0.0), uv_valid=uv_valid, z_valid=z_valid)


def _from_joint_0(uvz: Tensor) -> Tensor:
    """(B, J, 3) with every z counted from that of joint 0."""
    return torch.cat((uvz[..., :2], uvz[..., 2:] - uvz[:, ROOT, None, 2:]), dim=-1)


def is_second(value: str, name: str, first: str, second: str) -> bool:
    """Whether a setting of the head is the second of its two words.

    Args:
        value: Of the setting.
        name: Of the setting, for the error.
        first: A word.
        second: The other word.
    """
    if value not in (first, second):
        raise ValueError(f"head.{name}={value}: expected {first} or {second}")
    return value == second
