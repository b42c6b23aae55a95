"""Predictions and targets of a split -> both in the source's frame. N samples, J = 21 joints.

Px are those of the source image, and left hands are left hands again. `summarise` computes the
metrics from it.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from handpose.evaluation import pose_errors
from handpose.geometry.affine import apply, invert
from handpose.geometry.pose25d import ROOT_DEPTH_RANGE, uvz_to_px
from handpose.records import Prediction, Target
from handpose.skeleton import FREIHAND_SCALE_BONE, REFERENCE_BONES, ROOT
from handpose.training.divergence import check_predictions

# Minimum length of a predicted scale bone, in reference bones (true ones: about 0.4 to 0.5).
_MIN_SCALE = 0.05

Results = dict[str, float | int | str | None]


class MeanPoses(NamedTuple):
    """Constant predictions: Procrustes means of training hands as right hands, (0, 3) if none."""

    of_run: Tensor  # (J, 3) metres, of the hands whose labels the run had
    of_all: Tensor  # (J, 3) metres, of all labelled training hands


NO_MEAN_POSES = MeanPoses(torch.empty(0, 3), torch.empty(0, 3))


class Evaluation(NamedTuple):
    """All predictions of a split with the truth, in the source's frame, float64.

    `xyz` and its truth are root-relative only if the root is labelled, and metric only if the
    reference bone is. Alignment needs neither.
    """

    uv: Tensor  # (N, J, 2) px of the source image
    true_uv: Tensor  # (N, J, 2)
    xyz: Tensor  # (N, J, 3) mm from the root; the true reference bone's length is granted
    true_xyz: Tensor  # (N, J, 3) mm from the root
    camera_xyz: Tensor  # (N, J, 3) mm, camera frame, own root depth; FreiHAND's scale granted
    true_camera_xyz: Tensor  # (N, J, 3) mm
    px_xyz: Tensor  # (N, J, 3) px of the source image, also the depth: weak perspective
    true_px_xyz: Tensor  # (N, J, 3) px, of sources with such labels
    root_depth: Tensor  # (N,) mm, solved or refined; reference bone granted
    solved_root_depth: Tensor  # (N,) mm, reference bone granted
    is_refined: Tensor  # (N,) bool: `root_depth` is the refined one
    is_clamped: Tensor  # (N,) bool: `root_depth` is at an end of its range
    true_root_depth: Tensor  # (N,) mm
    uv_valid: Tensor  # (N, J) bool
    xyz_valid: Tensor  # (N, J) bool: labelled in 3D, with a camera
    z_valid: Tensor  # (N, J) bool: the same for the joint, the root and the reference bone
    px_valid: Tensor  # (N, J) bool: labelled in px with a relative depth, without a camera
    scale_valid: Tensor  # (N,) bool: the length of FreiHAND's scale bone is known
    K_valid: Tensor  # (N,) bool
    is_left: Tensor  # (N,) bool
    index: Tensor  # type: ignore[assignment]  # (N,) place in the dataset
    affine: Tensor  # (N, 2, 3) px of the source image -> px of the crop, the mirror included
    confidence: Tensor  # (N, J) in 0..1; (N, 0) if the head tells nothing of its error
    hand_confidence: Tensor  # (N,) in 0..1; 0 where `confidence` is empty
    mean_pose: Tensor  # (J, 3) mm, `MeanPoses.of_run`
    mean_pose_of_all: Tensor  # (J, 3) mm, `MeanPoses.of_all`

    @property
    def pa_valid(self) -> Tensor:
        """(N, J) bool: joints with an aligned error."""
        return pose_errors.alignable(self.xyz_valid)

    @property
    def box_valid(self) -> Tensor:
        """(N, J) bool: joints labelled in 2D, if the hand has two, which a box needs."""
        return self.uv_valid & (self.uv_valid.sum(1, keepdim=True) > 1)


def collect(
    prediction: Prediction, target: Target, mean_poses: MeanPoses, *, reference_bone: str
) -> Evaluation:
    """Undoes the crop and the mirror, and grants what the protocols grant.

    Args:
        target: of the whole split, as the prediction.
        reference_bone: "index" or "middle", the unit of the prediction.

    Raises:
        DivergedError: a prediction is not finite, or not the size of a hand.
    """
    check_predictions(prediction)
    uv = apply(invert(target.affine.double()), prediction.uvz[..., :2].double())
    uvz = torch.cat((uv, prediction.uvz[..., 2:].double()), dim=-1)
    bone = 1000 * target.bone.double()
    xyz = swap_side(prediction.xyz.double(), target.is_left)
    labelled = swap_side(target.xyz.double(), target.is_left)
    true, depth = 1000 * labelled, prediction.root_depth
    return Evaluation(
        uv=uv,
        true_uv=apply(invert(target.affine.double()), target.uvz[..., :2].double()),
        xyz=(xyz - xyz[:, ROOT, None]) * bone[:, None, None],
        true_xyz=true - true[:, ROOT, None],
        camera_xyz=_with_scale(xyz, 1000 * target.granted_scale.double()),
        true_camera_xyz=true,
        px_xyz=uvz_to_px(uvz, REFERENCE_BONES[reference_bone]),
        true_px_xyz=labelled,
        root_depth=depth.double() * bone,
        solved_root_depth=prediction.solved_root_depth.double() * bone,
        is_refined=prediction.is_refined,
        is_clamped=(depth <= ROOT_DEPTH_RANGE[0]) | (depth >= ROOT_DEPTH_RANGE[1]),
        true_root_depth=true[:, ROOT, 2],
        uv_valid=target.uv_valid,
        xyz_valid=target.xyz_valid & target.K_valid[:, None],
        z_valid=target.z_valid & target.K_valid[:, None],
        px_valid=target.xyz_valid & ~target.K_valid[:, None],
        scale_valid=target.scale_valid,
        K_valid=target.K_valid,
        is_left=target.is_left,
        index=target.index,
        affine=target.affine,
        confidence=prediction.confidence.double(),
        hand_confidence=prediction.hand_confidence.double(),
        mean_pose=1000 * mean_poses.of_run.double(),
        mean_pose_of_all=1000 * mean_poses.of_all.double(),
    )


def _with_scale(xyz: Tensor, scale: Tensor) -> Tensor:
    """Scales hands (N, J, 3) so that their scale bone has the length `scale` (N,)."""
    start, end = FREIHAND_SCALE_BONE
    own = (xyz[:, end] - xyz[:, start]).norm(dim=-1).clamp(min=_MIN_SCALE)
    return xyz * (scale / own)[:, None, None]


def swap_side(xyz: Tensor, is_left: Tensor) -> Tensor:
    """Mirrors left hands: x' = -x.

    Args:
        xyz: (N, J, 3).
        is_left: (N,) bool.
    """
    return torch.where(is_left[:, None, None], xyz * xyz.new_tensor([-1.0, 1.0, 1.0]), xyz)


def with_constant_pose(evaluation: Evaluation, pose: Tensor) -> Evaluation | None:
    """Predicts the same hand for every sample, mirrored for left hands.

    Args:
        pose: (J, 3) of a right hand, mm; empty without one.

    Returns:
        The evaluation of it, None without a pose.
    """
    e = evaluation
    return e._replace(xyz=swap_side(pose.expand_as(e.xyz), e.is_left)) if len(pose) else None


def finite_or_null(values: Mapping[str, Tensor | float], *, reason: str) -> Results:
    """Converts values to numbers of results.json.

    Args:
        values: name -> value.
        reason: of the values that are not finite, which become null.
    """
    results: Results = {}
    for name, value in values.items():
        number = float(value)
        results |= {name: number} if math.isfinite(number) else not_applicable((name,), reason)
    return results


def not_applicable(names: tuple[str, ...], reason: str) -> Results:
    """Returns a null with "<name>_reason" for each name.

    Args:
        names: keys of results.json.
        reason: why they are null.
    """
    return {
        key: value for name in names for key, value in ((name, None), (f"{name}_reason", reason))
    }
