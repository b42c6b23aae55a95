"""Predictions and targets of a split -> every number of the report. N samples, J = 21 joints.

Nothing leaves here in the model's own frame: px are those of the source image, left hands are left
hands again.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from handpose import metrics
from handpose.geometry.affine import apply, invert
from handpose.hand import FREIHAND_SCALE_BONE, ROOT
from handpose.records import Prediction, Target

# Least length of a predicted scale bone, in reference bones (true ones have about 0.4 to 0.5).
_MIN_SCALE = 0.05

Results = dict[str, float | int | str | None]

# Every metric of `summarise`, for runs to which none applies.
METRICS = (
    "epe2d_px",
    "epe2d_median_px",
    "epe3d_root_relative_mm",
    "epe3d_root_relative_median_mm",
    "epe3d_camera_scale_granted_mm",
    "epe3d_camera_scale_granted_median_mm",
    "root_depth_error_mm",
    "root_depth_error_median_mm",
    "pa_epe_mm",
    "pa_epe_median_mm",
    "auc_pa_50mm",
    "pa_with_reflection_epe_mm",
    "auc_pa_with_reflection_50mm",
    "shuffled_pa_epe_mm",
    "mean_pose_pa_epe_mm",
    "mean_pose_auc_pa_50mm",
    "n_test",
)


class Evaluation(NamedTuple):
    """All predictions of a split beside the truth, in the source's frame, float64."""

    uv: Tensor  # (N, J, 2) px of the source image
    true_uv: Tensor  # (N, J, 2)
    xyz: Tensor  # (N, J, 3) mm from the root; the true reference bone's length is granted
    true_xyz: Tensor  # (N, J, 3) mm from the root
    camera_xyz: Tensor  # (N, J, 3) mm, camera frame, root depth solved; FreiHAND's scale granted
    true_camera_xyz: Tensor  # (N, J, 3) mm
    root_depth: Tensor  # (N,) mm, solved, reference bone granted
    true_root_depth: Tensor  # (N,) mm
    uv_valid: Tensor  # (N, J) bool
    xyz_valid: Tensor  # (N, J) bool: labelled in 3D, with a camera to compare in
    K_valid: Tensor  # (N,) bool
    is_left: Tensor  # (N,) bool
    index: Tensor  # type: ignore[assignment]  # (N,) place in the dataset
    mean_pose: Tensor  # (J, 3) mm, right: Procrustes mean of the training hands; (0, 3) if none


def collect(prediction: Prediction, target: Target, mean_pose: Tensor) -> Evaluation:
    """Undoes the crop and the mirror, and grants what the protocols grant.

    Args:
        prediction, target: of the whole split.
        mean_pose: (J, 3) metres, right hand, or (0, 3).
    """
    back = invert(target.affine.double())
    bone = 1000 * target.bone.double()
    xyz = swap_side(prediction.xyz.double(), target.is_left)
    true = 1000 * swap_side(target.xyz.double(), target.is_left)
    start, end = FREIHAND_SCALE_BONE
    own_scale = (xyz[:, end] - xyz[:, start]).norm(dim=-1).clamp(min=_MIN_SCALE)
    scale = 1000 * target.granted_scale.double() / own_scale
    return Evaluation(
        uv=apply(back, prediction.uvz[..., :2].double()),
        true_uv=apply(back, target.uvz[..., :2].double()),
        xyz=(xyz - xyz[:, ROOT, None]) * bone[:, None, None],
        true_xyz=true - true[:, ROOT, None],
        camera_xyz=xyz * scale[:, None, None],
        true_camera_xyz=true,
        root_depth=prediction.root_depth.double() * bone,
        true_root_depth=true[:, ROOT, 2],
        uv_valid=target.uv_valid,
        xyz_valid=target.z_valid & target.K_valid[:, None],
        K_valid=target.K_valid,
        is_left=target.is_left,
        index=target.index,
        mean_pose=1000 * mean_pose.double(),
    )


def swap_side(xyz: Tensor, is_left: Tensor) -> Tensor:
    """x' = -x where `is_left` (N,): right hands (N, J, 3) to left ones, and back."""
    return torch.where(is_left[:, None, None], xyz * xyz.new_tensor([-1.0, 1.0, 1.0]), xyz)


def pa_errors(evaluation: Evaluation) -> Tensor:
    """Error of each joint (N, J) in mm after alignment by a similarity without reflection."""
    return metrics.aligned_joint_errors(evaluation.xyz, evaluation.true_xyz, evaluation.xyz_valid)


def mean_pose_errors(evaluation: Evaluation) -> Tensor:
    """What the constant mean pose, of the hand's side, gets after the same alignment. (N, J) mm"""
    constant = evaluation.mean_pose.expand_as(evaluation.true_xyz)
    return metrics.aligned_joint_errors(
        swap_side(constant, evaluation.is_left), evaluation.true_xyz, evaluation.xyz_valid
    )


def summarise(evaluation: Evaluation) -> Results:
    """The flat results: null with "<name>_reason" beside it where a metric does not apply."""
    e, valid = evaluation, evaluation.xyz_valid
    pa, error2d = pa_errors(e), metrics.joint_errors(e.uv, e.true_uv)
    official = metrics.aligned_joint_errors(e.xyz, e.true_xyz, valid, reflection=True)
    shuffled = _against_other_hands(e)
    root = metrics.joint_errors(e.xyz, e.true_xyz)
    in_camera = valid & e.xyz_valid[:, FREIHAND_SCALE_BONE].all(1, keepdim=True)
    camera = metrics.joint_errors(e.camera_xyz, e.true_camera_xyz)
    depth = (e.root_depth - e.true_root_depth).abs()[:, None]
    depth_valid = valid[:, [ROOT]]
    values = {
        "epe2d_px": metrics.mean_over_joints(error2d, e.uv_valid),
        "epe2d_median_px": metrics.median(error2d, e.uv_valid),
        "epe3d_root_relative_mm": metrics.mean_over_joints(root, valid),
        "epe3d_root_relative_median_mm": metrics.median(root, valid),
        "epe3d_camera_scale_granted_mm": metrics.mean_over_joints(camera, in_camera),
        "epe3d_camera_scale_granted_median_mm": metrics.median(camera, in_camera),
        "root_depth_error_mm": metrics.mean_over_joints(depth, depth_valid),
        "root_depth_error_median_mm": metrics.median(depth, depth_valid),
        "pa_epe_mm": metrics.mean_over_joints(pa, valid),
        "pa_epe_median_mm": metrics.median(pa, valid),
        "auc_pa_50mm": metrics.auc(pa, valid),
        "pa_with_reflection_epe_mm": metrics.mean_over_joints(official, valid),
        "auc_pa_with_reflection_50mm": metrics.auc(official, valid),
        "shuffled_pa_epe_mm": metrics.mean_over_joints(shuffled, valid),
    }
    results = finite_or_null(values, reason="no test sample has the labels this metric needs")
    return {**results, **_mean_pose_results(e), "n_test": len(e.index)}


def _mean_pose_results(evaluation: Evaluation) -> Results:
    names = ("mean_pose_pa_epe_mm", "mean_pose_auc_pa_50mm")
    if len(evaluation.mean_pose) == 0:
        return not_applicable(names, "no training hand is completely labelled in 3D")
    errors, valid = mean_pose_errors(evaluation), evaluation.xyz_valid
    values = (metrics.mean_over_joints(errors, valid), metrics.auc(errors, valid))
    return finite_or_null(
        dict(zip(names, values, strict=True)), reason="no test sample is labelled in 3D"
    )


def _against_other_hands(evaluation: Evaluation) -> Tensor:
    """The control: each prediction scored against a hand half the split away. (N, J) mm"""
    right = swap_side(evaluation.xyz, evaluation.is_left)
    others = right.roll(max(1, len(right) // 2), dims=0)
    return metrics.aligned_joint_errors(
        swap_side(others, evaluation.is_left), evaluation.true_xyz, evaluation.xyz_valid
    )


def finite_or_null(values: Mapping[str, Tensor | float], *, reason: str) -> Results:
    """The values as numbers; one that is not finite as null, with `reason` beside it."""
    results: Results = {}
    for name, value in values.items():
        number = float(value)
        results |= {name: number} if math.isfinite(number) else not_applicable((name,), reason)
    return results


def not_applicable(names: tuple[str, ...], reason: str) -> Results:
    """Nulls for `names`, each with its reason beside it."""
    return {
        key: value for name in names for key, value in ((name, None), (f"{name}_reason", reason))
    }
