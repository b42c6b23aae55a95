"""The named numbers of `results.json`, from an `Evaluation`. N samples, J = 21 joints.

Every protocol is computed of every source that has the labels for it; where no sample has them its
numbers are null, with "<name>_reason" beside them. A name says the unit, and what is granted or
aligned.

- FreiHAND (Zimmermann et al., ICCV 2019, and its `eval.py`): EPE and AUC in the camera's frame
  with the scale bone granted, and after alignment. Its alignment may reflect (`with_reflection`),
  the usual PA may not.
- InterHand2.6M (Moon et al., ECCV 2020): MPJPE after moving the roots together, the mean over the
  42 joints of both hands.
- MPII/CMU hands: PCK in 2D, in sides of the box about the labelled joints, as these labels have
  no head size to divide by.
- YouTube 3D Hands: labelled in px with a relative depth, and no camera. Compared in px after
  alignment, the prediction under weak perspective.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from handpose import metrics
from handpose.data.base import joint_box
from handpose.evaluate import (
    Evaluation,
    Results,
    errors_in_2d,
    finite_or_null,
    mean_pose_errors,
    not_applicable,
    pa_errors,
    swap_side,
)
from handpose.hand import FREIHAND_SCALE_BONE, ROOT

PCK_2D_MAX = 0.2  # of the box's side
# The same whatever is predicted, or a control.
_OF_NO_PASS = ("mean_pose_", "shuffled_", "n_")
SECOND_PASS = "second_pass_"

# Every metric of `summarise`, for runs to which none applies.
METRICS = (
    "epe2d_px",
    "epe2d_median_px",
    "pck2d_at_20pct_of_joint_box",
    "auc_pck2d_to_20pct_of_joint_box",
    "epe3d_root_relative_bone_granted_mm",
    "epe3d_root_relative_bone_granted_median_mm",
    "mpjpe_both_sides_bone_granted_mm",
    "mpjpe_both_sides_bone_granted_median_mm",
    "pa_epe_mm",
    "pa_epe_median_mm",
    "auc_pa_50mm",
    "pa_with_reflection_epe_mm",
    "pa_with_reflection_epe_median_mm",
    "auc_pa_with_reflection_50mm",
    "shuffled_pa_epe_mm",
    "epe3d_camera_scale_granted_mm",
    "epe3d_camera_scale_granted_median_mm",
    "auc_camera_scale_granted_50mm",
    "root_depth_error_mm",
    "root_depth_error_median_mm",
    "root_depth_error_solved_mm",
    "root_depth_error_solved_median_mm",
    "root_depth_error_refined_mm",
    "root_depth_error_refined_median_mm",
    "pa_epe_weak_perspective_px",
    "pa_epe_weak_perspective_median_px",
    "mean_pose_pa_epe_mm",
    "mean_pose_auc_pa_50mm",
    "n_test",
)


def summarise(evaluation: Evaluation) -> Results:
    """The flat results: null with "<name>_reason" beside it where a metric does not apply."""
    e = evaluation
    in_3d = {**_root_relative(e), **_aligned(e)}
    return {
        **finite_or_null(_in_2d(e), reason="no test sample is labelled in 2D"),
        **finite_or_null(in_3d, reason="no test sample has labels in 3D and a camera"),
        **finite_or_null(
            {**_in_camera(e), **_root_depth(e)},
            reason="no test sample has the labels of its root or its scale bone",
        ),
        **finite_or_null(_refined_root_depth(e), reason=_why_not_refined(e)),
        **finite_or_null(
            _without_camera(e),
            reason="for labels in px with a relative depth and without a camera (YouTube)",
        ),
        **_mean_pose_results(e),
        "n_test": len(e.index),
    }


def summarise_passes(passes: Sequence[Evaluation]) -> Results:
    """The results of the first pass, and beside them, as "second_pass_<name>", a second one's."""
    results = summarise(passes[0])
    for second in passes[1:]:
        kept = (second.affine == passes[0].affine).all(dim=(1, 2)).sum()
        own = summarise(second)
        results |= {
            f"{SECOND_PASS}{name}": own[name] for name in own if not name.startswith(_OF_NO_PASS)
        }
        results["n_second_pass_kept_first_crop"] = int(kept)
    return results


def _mean_and_median(stem: str, unit: str, errors: Tensor, valid: Tensor) -> dict[str, Tensor]:
    return {
        f"{stem}_{unit}": metrics.mean_over_joints(errors, valid),
        f"{stem}_median_{unit}": metrics.median(errors, valid),
    }


def _in_2d(e: Evaluation) -> dict[str, Tensor]:
    within = box_errors(e)
    limit = within.new_tensor([PCK_2D_MAX])
    return {
        **_mean_and_median("epe2d", "px", errors_in_2d(e), e.uv_valid),
        "pck2d_at_20pct_of_joint_box": metrics.pck_curve(within, e.uv_valid, limit)[0],
        "auc_pck2d_to_20pct_of_joint_box": metrics.auc(within, e.uv_valid, maximum=PCK_2D_MAX),
    }


def box_errors(evaluation: Evaluation) -> Tensor:
    """2D errors (N, J) in sides of the box about the labelled joints (see `joint_box`)."""
    uv, valid = evaluation.true_uv.numpy(), evaluation.uv_valid.numpy()
    sides = [joint_box(p[v])[2] if v.any() else 1.0 for p, v in zip(uv, valid, strict=True)]
    return errors_in_2d(evaluation) / torch.from_numpy(np.array(sides, dtype=np.float64))[:, None]


def _root_relative(e: Evaluation) -> dict[str, Tensor]:
    errors, left = metrics.joint_errors(e.xyz, e.true_xyz), e.is_left[:, None]
    # A left hand's joints are others than a right hand's: the mean is over all 42.
    both = torch.cat((e.xyz_valid & ~left, e.xyz_valid & left), dim=1)
    return {
        **_mean_and_median("epe3d_root_relative_bone_granted", "mm", errors, e.xyz_valid),
        **_mean_and_median(
            "mpjpe_both_sides_bone_granted", "mm", torch.cat((errors, errors), dim=1), both
        ),
    }


def _aligned(e: Evaluation) -> dict[str, Tensor]:
    valid, pa, official = e.xyz_valid, pa_errors(e), pa_errors(e, reflection=True)
    return {
        **_mean_and_median("pa_epe", "mm", pa, valid),
        "auc_pa_50mm": metrics.auc(pa, valid),
        **_mean_and_median("pa_with_reflection_epe", "mm", official, valid),
        "auc_pa_with_reflection_50mm": metrics.auc(official, valid),
        "shuffled_pa_epe_mm": metrics.mean_over_joints(_against_other_hands(e), valid),
    }


def _in_camera(e: Evaluation) -> dict[str, Tensor]:
    errors = metrics.joint_errors(e.camera_xyz, e.true_camera_xyz)
    valid = e.xyz_valid & e.xyz_valid[:, FREIHAND_SCALE_BONE].all(1, keepdim=True)
    return {
        **_mean_and_median("epe3d_camera_scale_granted", "mm", errors, valid),
        "auc_camera_scale_granted_50mm": metrics.auc(errors, valid),
    }


def _root_depth(e: Evaluation) -> dict[str, Tensor]:
    """Of the depth that is used, and of the solved one, which a refined one stands beside."""
    used, solved = (
        (depth - e.true_root_depth).abs()[:, None] for depth in (e.root_depth, e.solved_root_depth)
    )
    valid = e.xyz_valid[:, [ROOT]]
    return {
        **_mean_and_median("root_depth_error", "mm", used, valid),
        **_mean_and_median("root_depth_error_solved", "mm", solved, valid),
    }


def _refined_root_depth(e: Evaluation) -> dict[str, Tensor]:
    error = (e.root_depth - e.true_root_depth).abs()[:, None]
    valid = e.xyz_valid[:, [ROOT]] & e.is_refined[:, None]
    return _mean_and_median("root_depth_error_refined", "mm", error, valid)


def _why_not_refined(e: Evaluation) -> str:
    if e.is_refined.any():
        return "no test sample has its root labelled in 3D"
    return "the root depth is solved and not refined (head.root_depth=solve)"


def _without_camera(e: Evaluation) -> dict[str, Tensor]:
    errors = metrics.aligned_joint_errors(e.px_xyz, e.true_px_xyz, e.px_valid)
    return _mean_and_median("pa_epe_weak_perspective", "px", errors, e.px_valid)


def _mean_pose_results(e: Evaluation) -> Results:
    names = ("mean_pose_pa_epe_mm", "mean_pose_auc_pa_50mm")
    if len(e.mean_pose) == 0:
        return not_applicable(names, "no training hand is completely labelled in 3D")
    errors, valid = mean_pose_errors(e), e.xyz_valid
    values = (metrics.mean_over_joints(errors, valid), metrics.auc(errors, valid))
    return finite_or_null(
        dict(zip(names, values, strict=True)), reason="no test sample is labelled in 3D"
    )


def _against_other_hands(e: Evaluation) -> Tensor:
    """The control: each prediction scored against a hand half the split away. (N, J) mm"""
    right = swap_side(e.xyz, e.is_left)
    others = right.roll(max(1, len(right) // 2), dims=0)
    return metrics.aligned_joint_errors(swap_side(others, e.is_left), e.true_xyz, e.xyz_valid)
