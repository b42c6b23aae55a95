"""The named numbers of `results.json`, from an `Evaluation`. N samples, J = 21 joints.

Every protocol is computed of every source that has the labels for it, over all hands and joints
that have them; where there are none its numbers are null, with "<name>_reason" beside them. A name
says the unit, and what is granted or aligned.

- FreiHAND (Zimmermann et al., ICCV 2019, and its `eval.py`): EPE and AUC in the camera's frame
  with the scale bone granted, and after alignment. Its alignment may reflect (`with_reflection`),
  the usual PA may not.
- InterHand2.6M (Moon et al., ECCV 2020, and its `evaluate`): MPJPE after moving the roots together,
  the mean over the 42 joints of both hands. It grants each root's true depth, at which the
  predicted 2.5D pose is back-projected (`root_depth_granted`); ours with the true length of the
  reference bone (`bone_granted`) stands beside it.
- MPII/CMU hands: PCK in 2D, in sides of the box about the labelled joints, as these labels have
  no head size to divide by.
- YouTube 3D Hands: labelled in px with a relative depth, and no camera. Compared in px after
  alignment, the prediction under weak perspective.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handpose.data.base import joint_box
from handpose.evaluation import pose_errors
from handpose.evaluation.evaluation import (
    Evaluation,
    Results,
    errors_in_2d,
    finite_or_null,
    mean_pose_errors,
    not_applicable,
    pa_errors,
    swap_side,
)
from handpose.skeleton import ROOT

PCK_2D_MAX = 0.2  # of the box's side
# The same whatever is predicted, or a control.
_OF_NO_PASS = ("mean_pose_", "shuffled_", "n_")
_IN_3D = "labelled in 3D, and a camera"
SECOND_PASS = "second_pass_"
COUNTS = ("_n_hands", "_n_joints")

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
    "mpjpe_both_sides_root_depth_granted_mm",
    "mpjpe_both_sides_root_depth_granted_median_mm",
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
    "root_depth_clamped_share",
    "pa_epe_weak_perspective_px",
    "pa_epe_weak_perspective_median_px",
    "mean_pose_pa_epe_mm",
    "mean_pose_auc_pa_50mm",
    "mean_pose_all_labels_pa_epe_mm",
    "mean_pose_all_labels_auc_pa_50mm",
    "n_test",
)


class _Group(NamedTuple):
    """Metrics of the same joints."""

    values: dict[str, Tensor]
    valid: Tensor  # (N, J') bool: what they are means over
    needed: str  # what a sample must have to count


def summarise(evaluation: Evaluation) -> Results:
    """The flat results: null with "<name>_reason" beside it where a metric does not apply.

    "<name>_n_hands" and "<name>_n_joints" say of how many a metric is, and so are its median, its
    baselines and its control.
    """
    e, results = evaluation, Results()
    for make in (_in_2d, _in_boxes, _bone_granted, _root_depth_granted, _aligned, _in_camera,
                 _root_depth, _refined_root_depth, _clamped, _without_camera):  # fmt: skip
        group = make(e)
        reason = f"no test sample has {group.needed}"
        results |= finite_or_null(group.values, reason=reason) | _counts(group)
    of_run = _mean_pose_results("mean_pose", e, e.mean_pose)
    of_all = _mean_pose_results("mean_pose_all_labels", e, e.mean_pose_of_all)
    return results | of_run | of_all | {"n_test": len(e.index)}


def _counts(group: _Group) -> Results:
    """How many hands and joints each metric of a group is of."""
    counts = (int(group.valid.any(1).sum()), int(group.valid.sum()))
    names = [n for n in group.values if "_median" not in n and not n.startswith(_OF_NO_PASS)]
    return {f"{name}{end}": n for name in names for end, n in zip(COUNTS, counts, strict=True)}


def summarise_passes(passes: Sequence[Evaluation]) -> Results:
    """The results of the first pass, and beside them, as "second_pass_<name>", a second one's."""
    results = summarise(passes[0])
    for second in passes[1:]:
        kept = (second.affine == passes[0].affine).all(dim=(1, 2)).sum()
        own = summarise(second)
        results |= {
            f"{SECOND_PASS}{name}": own[name]
            for name in own
            if not (name.startswith(_OF_NO_PASS) or name.endswith(COUNTS))
        }
        results["n_second_pass_kept_first_crop"] = int(kept)
    return results


def _mean_and_median(stem: str, unit: str, errors: Tensor, valid: Tensor) -> dict[str, Tensor]:
    return {
        f"{stem}_{unit}": pose_errors.mean_over_joints(errors, valid),
        f"{stem}_median_{unit}": pose_errors.median(errors, valid),
    }


def _in_2d(e: Evaluation) -> _Group:
    values = _mean_and_median("epe2d", "px", errors_in_2d(e), e.uv_valid)
    return _Group(values, e.uv_valid, "labels in 2D")


def _in_boxes(e: Evaluation) -> _Group:
    within, valid = box_errors(e), e.box_valid
    limit = within.new_tensor([PCK_2D_MAX])
    values = {
        "pck2d_at_20pct_of_joint_box": pose_errors.pck_curve(within, valid, limit)[0],
        "auc_pck2d_to_20pct_of_joint_box": pose_errors.auc(within, valid, maximum=PCK_2D_MAX),
    }
    return _Group(values, valid, "two joints labelled in 2D, to have a box about them")


def box_errors(evaluation: Evaluation) -> Tensor:
    """2D errors (N, J) in sides of the box about the labelled joints (see `joint_box`)."""
    uv, valid = evaluation.true_uv.numpy(), evaluation.uv_valid.numpy()
    sides = [joint_box(p[v])[2] if v.any() else 1.0 for p, v in zip(uv, valid, strict=True)]
    return errors_in_2d(evaluation) / torch.from_numpy(np.array(sides, dtype=np.float64))[:, None]


def _bone_granted(e: Evaluation) -> _Group:
    errors = pose_errors.joint_errors(e.xyz, e.true_xyz)
    values = {
        **_mean_and_median("epe3d_root_relative_bone_granted", "mm", errors, e.z_valid),
        **_of_both_sides("mpjpe_both_sides_bone_granted", e, errors, e.z_valid),
    }
    return _Group(values, e.z_valid, f"its root and reference bone {_IN_3D}")


def _root_depth_granted(e: Evaluation) -> _Group:
    """As InterHand2.6M's `evaluate`: the predicted 2.5D pose, seen at the root's true depth.

    There the relative depths are predicted in mm. Here they are in reference bones, whose length in
    mm is the one at which the predicted pose has that root depth.
    """
    valid = e.xyz_valid & e.xyz_valid[:, [ROOT]]
    at_true_depth = e.xyz * (e.true_root_depth / e.root_depth.clamp(min=1.0))[:, None, None]
    errors = pose_errors.joint_errors(at_true_depth, e.true_xyz)
    values = _of_both_sides("mpjpe_both_sides_root_depth_granted", e, errors, valid)
    return _Group(values, valid, f"its root {_IN_3D}")


def _of_both_sides(stem: str, e: Evaluation, errors: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """A left hand's joints are others than a right hand's: the mean is over all 42."""
    left = e.is_left[:, None]
    both = torch.cat((valid & ~left, valid & left), dim=1)
    return _mean_and_median(stem, "mm", torch.cat((errors, errors), dim=1), both)


def _aligned(e: Evaluation) -> _Group:
    valid, pa, official = e.pa_valid, pa_errors(e), pa_errors(e, reflection=True)
    values = {
        **_mean_and_median("pa_epe", "mm", pa, valid),
        "auc_pa_50mm": pose_errors.auc(pa, valid),
        **_mean_and_median("pa_with_reflection_epe", "mm", official, valid),
        "auc_pa_with_reflection_50mm": pose_errors.auc(official, valid),
        "shuffled_pa_epe_mm": pose_errors.mean_over_joints(_against_other_hands(e), valid),
    }
    return _Group(values, valid, f"three joints {_IN_3D}")


def _in_camera(e: Evaluation) -> _Group:
    errors = pose_errors.joint_errors(e.camera_xyz, e.true_camera_xyz)
    valid = e.xyz_valid & e.scale_valid[:, None]
    values = {
        **_mean_and_median("epe3d_camera_scale_granted", "mm", errors, valid),
        "auc_camera_scale_granted_50mm": pose_errors.auc(errors, valid),
    }
    return _Group(values, valid, f"joints {_IN_3D}, and a known length of its scale bone")


def _root_depth(e: Evaluation) -> _Group:
    """Of the depth that is used, and of the solved one, which a refined one stands beside."""
    used, solved = (
        (depth - e.true_root_depth).abs()[:, None] for depth in (e.root_depth, e.solved_root_depth)
    )
    valid = e.z_valid[:, [ROOT]]
    values = {
        **_mean_and_median("root_depth_error", "mm", used, valid),
        **_mean_and_median("root_depth_error_solved", "mm", solved, valid),
    }
    return _Group(values, valid, f"its root and reference bone {_IN_3D}")


def _refined_root_depth(e: Evaluation) -> _Group:
    error = (e.root_depth - e.true_root_depth).abs()[:, None]
    valid = e.z_valid[:, [ROOT]] & e.is_refined[:, None]
    needed = f"its root and reference bone {_IN_3D}"
    if not e.is_refined.any():
        needed = "a refined root depth: it is solved (head.root_depth=solve)"
    return _Group(_mean_and_median("root_depth_error_refined", "mm", error, valid), valid, needed)


def _clamped(e: Evaluation) -> _Group:
    share = pose_errors.mean_over_joints(e.is_clamped[:, None].double(), e.K_valid[:, None])
    return _Group({"root_depth_clamped_share": share}, e.K_valid[:, None], "a camera")


def _without_camera(e: Evaluation) -> _Group:
    valid = pose_errors.alignable(e.px_valid)
    errors = pose_errors.aligned_joint_errors(e.px_xyz, e.true_px_xyz, valid)
    return _Group(
        _mean_and_median("pa_epe_weak_perspective", "px", errors, valid),
        valid,
        "three joints labelled in px with a relative depth, and no camera (YouTube 3D Hands)",
    )


def _mean_pose_results(stem: str, e: Evaluation, mean_pose: Tensor) -> Results:
    names = (f"{stem}_pa_epe_mm", f"{stem}_auc_pa_50mm")
    if len(mean_pose) == 0:
        return not_applicable(names, "no labelled training hand is complete in 3D")
    errors, valid = mean_pose_errors(e, mean_pose), e.pa_valid
    values = (pose_errors.mean_over_joints(errors, valid), pose_errors.auc(errors, valid))
    return finite_or_null(
        dict(zip(names, values, strict=True)), reason=f"no test sample has three joints {_IN_3D}"
    )


def _against_other_hands(e: Evaluation) -> Tensor:
    """The control: each prediction scored against a hand half the split away. (N, J) mm"""
    right = swap_side(e.xyz, e.is_left)
    others = right.roll(max(1, len(right) // 2), dims=0)
    return pose_errors.aligned_joint_errors(swap_side(others, e.is_left), e.true_xyz, e.pa_valid)
