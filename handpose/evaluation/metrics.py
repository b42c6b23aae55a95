"""The metrics of results.json, one declaration each. N samples, J = 21 joints.

Every metric is computed over all hands and joints that have its labels. Without any it is null,
with the reason in "<name>_reason". Its name states the unit, and what is granted or aligned. To
add a metric, add its declaration to `METRICS`: the report, the tables of sweeps, studies, the
explorer and W&B read it from there.

- FreiHAND (Zimmermann et al., ICCV 2019, and its `eval.py`): EPE and AUC in the camera frame with
  the length of the scale bone granted, and after alignment. FreiHAND's alignment may reflect
  (`with_reflection`), the usual PA may not.
- InterHand2.6M (Moon et al., ECCV 2020, and its `evaluate`): MPJPE after the roots are aligned,
  the mean over the 42 joints of both hands. It grants the true depth of the root, at which the
  predicted 2.5D pose is back-projected (`root_depth_granted`). Our variant grants the true length
  of the reference bone (`bone_granted`).
- DexYCB (Chao et al., CVPR 2021, and its `hpe_eval.py`): absolute, root-relative and aligned, with
  FreiHAND's EPE, AUC and alignment, so the aligned number is `pa_with_reflection`. Nothing is
  granted: a hand gets the mean size of the training hands (`training_size`).
- HO-3D (Hampali et al., CVPR 2020, and its `eval.py`): the same absolute and aligned numbers, where
  the wrist is given (`root_depth_granted`), and one with the wrists aligned and the length from
  wrist to middle MCP granted (`middle_bone_granted`).
- MPII/CMU hands: PCK in 2D, relative to the side of the box around the labelled joints, since
  these labels have no head size.
- YouTube 3D Hands: labelled in px with a relative depth, without a camera. Compared in px after
  alignment, the prediction under weak perspective.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from handpose.evaluation import joint_errors, pose_errors
from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.joint_errors import JointErrors
from handpose.evaluation.training_metrics import LoggedMetric

PCK_2D_MAX = 0.2  # relative to the box's side
# Other predictions that a metric is computed for, by their prefix to its name.
MEAN_POSE = "mean_pose_"  # constant, from the training hands whose labels the run had
ALL_LABELS = "mean_pose_all_labels_"  # constant, from all labelled training hands
SHUFFLED = "shuffled_"  # control: each prediction against another test hand


@dataclass(frozen=True, kw_only=True)
class Metric(LoggedMetric):
    """A metric of the test split. One with a unit has a median too.

    Attributes:
        errors: computes what it is the mean of.
        reduce: (N, J') errors and their validity -> ().
        baselines: prefixes of other predictions to compute it for, such as `MEAN_POSE`.
        is_main: a tile of the report and a column of a sweep's table.
    """

    errors: Callable[[Evaluation], JointErrors]
    reduce: Callable[[Tensor, Tensor], Tensor] = pose_errors.mean_over_joints
    baselines: tuple[str, ...] = ()
    is_main: bool = False

    @property
    def median_name(self) -> str:
        """Name of its median."""
        return f"{self.name.removesuffix(f'_{self.unit}')}_median_{self.unit}"


def _pck_2d(errors: Tensor, valid: Tensor) -> Tensor:
    return pose_errors.pck_curve(errors, valid, errors.new_tensor([PCK_2D_MAX]))[0]


_CONSTANTS = (MEAN_POSE, ALL_LABELS)

# In the order of the tables.
METRICS = (
    Metric(
        "pa_epe_mm",
        "Aligned 3D error (PA)",
        "After the best rotation, scale and shift of each hand, without reflection.",
        errors=joint_errors.aligned,
        baselines=(*_CONSTANTS, SHUFFLED),
        is_main=True,
    ),
    Metric(
        "epe3d_root_relative_bone_granted_mm",
        "Root-relative 3D error",
        "The wrists are aligned, and the true length of the reference bone is granted.",
        errors=joint_errors.bone_granted,
        is_main=True,
    ),
    Metric(
        "epe2d_px",
        "2D error",
        "In px of the source image; nothing granted, nothing aligned.",
        errors=joint_errors.in_2d,
        is_main=True,
    ),
    Metric(
        "auc_pa_50mm",
        "AUC of PCK, aligned",
        "Area under the share of joints within 0 to 50 mm after the same alignment; 1 is best.",
        better="higher",
        errors=joint_errors.aligned,
        reduce=pose_errors.auc,
        baselines=_CONSTANTS,
        is_main=True,
    ),
    Metric(
        "pa_with_reflection_epe_mm",
        "Aligned 3D error, FreiHAND’s alignment",
        "Aligned as FreiHAND’s own code does: a reflection is allowed too.",
        errors=joint_errors.aligned_with_reflection,
    ),
    Metric(
        "auc_pa_with_reflection_50mm",
        "AUC of PCK, FreiHAND’s alignment",
        "As above, after the alignment that allows a reflection; 1 is best.",
        better="higher",
        errors=joint_errors.aligned_with_reflection,
        reduce=pose_errors.auc,
    ),
    Metric(
        "epe3d_camera_scale_granted_mm",
        "3D error in the camera frame",
        "Absolute, including the root depth. Granted: the true length of FreiHAND’s "
        "scale bone (joints 9 to 10).",
        errors=joint_errors.in_camera,
    ),
    Metric(
        "auc_camera_scale_granted_50mm",
        "AUC of PCK in the camera frame",
        "Area under the share of joints within 0 to 50 mm, nothing aligned; 1 is best.",
        better="higher",
        errors=joint_errors.in_camera,
        reduce=pose_errors.auc,
    ),
    Metric(
        "epe3d_camera_training_size_mm",
        "3D error in the camera frame, nothing granted",
        "Absolute. Each hand has the size (length of all bones) of the mean training hand, at the "
        "depth where it is seen so large. DexYCB’s absolute number.",
        errors=joint_errors.in_camera_of_training_size,
    ),
    Metric(
        "auc_camera_training_size_50mm",
        "AUC of PCK in the camera frame, nothing granted",
        "Area under the share of joints within 0 to 50 mm of the same hands; 1 is best.",
        better="higher",
        errors=joint_errors.in_camera_of_training_size,
        reduce=pose_errors.auc,
    ),
    Metric(
        "epe3d_root_relative_training_size_mm",
        "Root-relative 3D error, nothing granted",
        "The wrists are aligned; the size is again that of the mean training hand. DexYCB’s "
        "root-relative number.",
        errors=joint_errors.root_relative_of_training_size,
    ),
    Metric(
        "auc_root_relative_training_size_50mm",
        "AUC of PCK, root-relative, nothing granted",
        "Area under the share of joints within 0 to 50 mm of the same hands; 1 is best.",
        better="higher",
        errors=joint_errors.root_relative_of_training_size,
        reduce=pose_errors.auc,
    ),
    Metric(
        "epe3d_camera_root_depth_granted_mm",
        "3D error in the camera frame at the true root depth",
        "Granted: the depth of the wrist, which fixes the size. HO-3D’s mean joint error, of the "
        "submission file.",
        errors=joint_errors.in_camera_at_root_depth,
    ),
    Metric(
        "auc_camera_root_depth_granted_50mm",
        "AUC of PCK in the camera frame at the true root depth",
        "Area under the share of joints within 0 to 50 mm of the same hands; 1 is best.",
        better="higher",
        errors=joint_errors.in_camera_at_root_depth,
        reduce=pose_errors.auc,
    ),
    Metric(
        "epe3d_root_relative_middle_bone_granted_mm",
        "3D error, HO-3D’s scale-translation alignment",
        "The wrists are aligned. Granted: the true length from wrist to middle MCP, whatever the "
        "reference bone.",
        errors=joint_errors.middle_bone_granted,
    ),
    Metric(
        "auc_root_relative_middle_bone_granted_50mm",
        "AUC of PCK, HO-3D’s scale-translation alignment",
        "Area under the share of joints within 0 to 50 mm after the same alignment; 1 is best.",
        better="higher",
        errors=joint_errors.middle_bone_granted,
        reduce=pose_errors.auc,
    ),
    Metric(
        "mpjpe_both_sides_bone_granted_mm",
        "MPJPE, InterHand2.6M’s mean",
        "Root-relative as above, averaged over the 42 joints of both hands. Granted: "
        "the length of the reference bone. InterHand2.6M’s own metric grants the root depth "
        "instead: see the next.",
        errors=joint_errors.bone_granted_both_sides,
    ),
    Metric(
        "mpjpe_both_sides_root_depth_granted_mm",
        "MPJPE as InterHand2.6M’s own code",
        "The predicted 2.5D pose at the true depth of the wrist, which is granted, "
        "then with the wrists aligned. Averaged over the 42 joints of both hands.",
        errors=joint_errors.root_depth_granted,
    ),
    Metric(
        "root_depth_error_mm",
        "Root depth error",
        "Depth of the wrist in the 3D pose. Granted: the true length of the reference bone.",
        errors=joint_errors.root_depth,
    ),
    Metric(
        "root_depth_error_solved_mm",
        "Root depth error, solved",
        "For the depth at which the predicted reference bone has its length.",
        errors=joint_errors.solved_root_depth,
    ),
    Metric(
        "root_depth_error_refined_mm",
        "Root depth error, refined",
        "For that depth corrected by an MLP that reads the whole predicted pose.",
        errors=joint_errors.refined_root_depth,
    ),
    Metric(
        "root_depth_clamped_share",
        "Clamped root depths",
        "Share of hands whose predicted wrist is nearer or farther than any real one.",
        errors=joint_errors.clamped,
    ),
    Metric(
        "pa_epe_weak_perspective_px",
        "Aligned 3D error, weak perspective",
        "For labels without a camera: in px of the source image, also the depth.",
        errors=joint_errors.weak_perspective,
        is_main=True,
    ),
    Metric(
        "pck2d_at_20pct_of_joint_box",
        "PCK in 2D at 20 %",
        "Share of joints within a fifth of the side of the box around the labelled joints.",
        better="higher",
        errors=joint_errors.in_boxes,
        reduce=_pck_2d,
        is_main=True,
    ),
    Metric(
        "auc_pck2d_to_20pct_of_joint_box",
        "AUC of PCK in 2D",
        "Area under the share of joints within 0 to 20 % of that side; 1 is best.",
        better="higher",
        errors=joint_errors.in_boxes,
        reduce=partial(pose_errors.auc, maximum=PCK_2D_MAX),
        is_main=True,
    ),
    Metric(
        "confidence_ece",
        "Calibration error of the joints’ confidence",
        "Mean difference, over 15 bins, of the confidence and the share of joints within a tenth "
        "of the side of the box around the labelled joints. 0 is best.",
        errors=joint_errors.calibration_gaps,
        reduce=pose_errors.expected_calibration_error,
    ),
    Metric(
        "hand_confidence_ece",
        "Calibration error of the hands’ confidence",
        "The same for hands whose mean error is within that limit.",
        errors=joint_errors.hand_calibration_gaps,
        reduce=pose_errors.expected_calibration_error,
    ),
    Metric(
        "confident_half_error_ratio",
        "Error of the more confident half",
        "Mean 2D error, in sides of that box, of the half of the hands with more confidence over "
        "that of the other half. 1: the confidence says nothing.",
        errors=joint_errors.by_confidence,
        reduce=pose_errors.first_half_ratio,
    ),
)
