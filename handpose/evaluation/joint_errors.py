"""Errors of joints as each protocol measures them. N samples, J = 21 joints.

Metrics are means over them. In mm unless stated otherwise. Granted and aligned is only what a
function says.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handpose.data.base import joint_box
from handpose.evaluation import pose_errors
from handpose.evaluation.evaluation import Evaluation
from handpose.heads.calibration import CORRECT_WITHIN
from handpose.heads.confidence import NO_CONFIDENCE
from handpose.skeleton import BONES, ROOT

_IN_3D = "labelled in 3D, and a camera"
_BONE_IN_3D = f"its root and reference bone {_IN_3D}"
_ROOT_IN_3D = f"its root and another joint {_IN_3D}"
_STARTS, _ENDS = (list(ends) for ends in zip(*BONES, strict=True))
_MIDDLE_MCP = 9
_LEAST = 1e-9  # mm, of a hand collapsed to a point


class JointErrors(NamedTuple):
    """What a metric is the mean of."""

    values: Tensor  # (N, J')
    valid: Tensor  # (N, J') bool: which of them count
    needs: str  # what a sample must have to count


def in_2d(e: Evaluation) -> JointErrors:
    """In px of the source image."""
    return JointErrors(pose_errors.joint_errors(e.uv, e.true_uv), e.uv_valid, "labels in 2D")


def in_boxes(e: Evaluation) -> JointErrors:
    """In 2D, relative to the side of the box around the labelled joints (see `joint_box`)."""
    uv, labelled = e.true_uv.numpy(), e.uv_valid.numpy()
    sides = [joint_box(p[v])[2] if v.any() else 1.0 for p, v in zip(uv, labelled, strict=True)]
    errors = in_2d(e).values / torch.from_numpy(np.array(sides, dtype=np.float64))[:, None]
    return JointErrors(errors, e.box_valid, "two joints labelled in 2D, for a box around them")


def calibration_gaps(e: Evaluation) -> JointErrors:
    """Confidence of each joint, minus 1 if it is correct (see `heads.calibration`)."""
    values, valid, needs = in_boxes(e)
    if not e.confidence.numel():
        return _without_confidence(values)
    return JointErrors(e.confidence - (values <= CORRECT_WITHIN).double(), valid, needs)


def hand_calibration_gaps(e: Evaluation) -> JointErrors:
    """The same for the hand, which is correct if the mean error of its joints is. (N, 1)"""
    values, valid, needs = in_boxes(e)
    if not e.confidence.numel():
        return _without_confidence(values[:, :1])
    is_correct = pose_errors.mean_of_hands(values, valid) <= CORRECT_WITHIN
    gaps = e.hand_confidence - is_correct.double()
    return JointErrors(gaps[:, None], valid.any(1, keepdim=True), needs)


def by_confidence(e: Evaluation) -> JointErrors:
    """As `in_boxes`, with the most confident hand first."""
    values, valid, needs = in_boxes(e)
    if not e.confidence.numel():
        return _without_confidence(values)
    order = e.hand_confidence.argsort(descending=True, stable=True)
    return JointErrors(values[order], valid[order], needs)


def _without_confidence(values: Tensor) -> JointErrors:
    needs = f"a confidence: {NO_CONFIDENCE}"
    return JointErrors(values, torch.zeros_like(values, dtype=torch.bool), needs)


def aligned(e: Evaluation, *, reflection: bool = False) -> JointErrors:
    """After each prediction is aligned by a similarity (PA).

    Args:
        reflection: whether the alignment may reflect, as FreiHAND's own code does.
    """
    errors = pose_errors.aligned_joint_errors(e.xyz, e.true_xyz, e.pa_valid, reflection=reflection)
    return JointErrors(errors, e.pa_valid, f"three joints {_IN_3D}")


def aligned_with_reflection(e: Evaluation) -> JointErrors:
    """As FreiHAND's own code aligns."""
    return aligned(e, reflection=True)


def bone_granted(e: Evaluation) -> JointErrors:
    """Root-relative. Granted: the length of the reference bone."""
    return JointErrors(pose_errors.joint_errors(e.xyz, e.true_xyz), e.z_valid, _BONE_IN_3D)


def bone_granted_both_sides(e: Evaluation) -> JointErrors:
    """The same in 42 columns: a left hand's joints count as other joints than a right hand's."""
    return _both_sides(bone_granted(e), e.is_left)


def root_depth_granted(e: Evaluation) -> JointErrors:
    """As InterHand2.6M's `evaluate`: the predicted 2.5D pose at the true root depth. 42 columns.

    There the relative depths are predicted in mm. Here they are in reference bones, so the hand is
    scaled to the size at which it has that root depth.
    """
    at_true_depth = e.xyz * (e.true_root_depth / e.root_depth.clamp(min=1.0))[:, None, None]
    errors = pose_errors.joint_errors(at_true_depth, e.true_xyz)
    return _both_sides(JointErrors(errors, _beside_root(e), _ROOT_IN_3D), e.is_left)


def _beside_root(e: Evaluation) -> Tensor:
    """(N, J) joints of hands with a root and another joint: a root alone, aligned, is no error."""
    valid = e.xyz_valid & e.xyz_valid[:, [ROOT]]
    return valid & (valid.sum(1, keepdim=True) > 1)


def _both_sides(errors: JointErrors, is_left: Tensor) -> JointErrors:
    values, valid, needs = errors
    both = torch.cat((valid & ~is_left[:, None], valid & is_left[:, None]), dim=1)
    return JointErrors(torch.cat((values, values), dim=1), both, needs)


def in_camera(e: Evaluation) -> JointErrors:
    """In the camera frame. Granted: the length of FreiHAND's scale bone."""
    errors = pose_errors.joint_errors(e.camera_xyz, e.true_camera_xyz)
    needs = f"joints {_IN_3D}, and a known length of its scale bone"
    return JointErrors(errors, e.xyz_valid & e.scale_valid[:, None], needs)


def at_root_depth(e: Evaluation) -> Tensor:
    """Returns the hands (N, J, 3) mm in the camera frame, sized to have the true root depth."""
    own = e.camera_xyz[:, ROOT, 2].clamp(min=1.0)
    return e.camera_xyz * (e.true_root_depth / own)[:, None, None]


def in_camera_at_root_depth(e: Evaluation) -> JointErrors:
    """In the camera frame. Granted: the true root depth, which fixes the size."""
    errors = pose_errors.joint_errors(at_root_depth(e), e.true_camera_xyz)
    return JointErrors(errors, _beside_root(e), _ROOT_IN_3D)


def middle_bone_granted(e: Evaluation) -> JointErrors:
    """Root-relative, as HO-3D's `align_sc_tr`. Granted: the length of wrist to middle MCP."""
    predicted, true = (xyz - xyz[:, [ROOT]] for xyz in (e.camera_xyz, e.true_camera_xyz))
    own, granted = (xyz[:, _MIDDLE_MCP].norm(dim=-1) for xyz in (predicted, true))
    scaled = predicted * (granted / torch.where(own > 0, own, 1.0))[:, None, None]
    valid = e.xyz_valid & e.xyz_valid[:, [ROOT]] & e.xyz_valid[:, [_MIDDLE_MCP]]
    needs = f"its wrist and middle MCP {_IN_3D}"
    return JointErrors(pose_errors.joint_errors(scaled, true), valid, needs)


def in_camera_of_training_size(e: Evaluation) -> JointErrors:
    """In the camera frame, nothing granted: sized as the mean training hand."""
    errors = pose_errors.joint_errors(_of_training_size(e), e.true_camera_xyz)
    return _if_there_is_a_size(e, JointErrors(errors, e.xyz_valid, f"joints {_IN_3D}"))


def root_relative_of_training_size(e: Evaluation) -> JointErrors:
    """Root-relative, nothing granted: sized as the mean training hand."""
    xyz = _of_training_size(e)
    errors = pose_errors.joint_errors(xyz - xyz[:, [ROOT]], e.true_xyz)
    return _if_there_is_a_size(e, JointErrors(errors, _beside_root(e), _ROOT_IN_3D))


def _of_training_size(e: Evaluation) -> Tensor:
    """(N, J, 3) mm in the camera frame, the bones as long in all as the mean training hand's."""
    if not len(e.mean_pose):
        return e.camera_xyz
    wanted = _length(e.mean_pose) / _length(e.camera_xyz).clamp(min=_LEAST)
    return e.camera_xyz * wanted[:, None, None]


def _length(xyz: Tensor) -> Tensor:
    """(...,) the length of all bones of hands (..., J, 3)."""
    return (xyz[..., _ENDS, :] - xyz[..., _STARTS, :]).norm(dim=-1).sum(-1)


def _if_there_is_a_size(e: Evaluation, errors: JointErrors) -> JointErrors:
    if len(e.mean_pose):
        return errors
    needs = "a size: no labelled training hand is complete in 3D"
    return JointErrors(errors.values, torch.zeros_like(errors.valid), needs)


def root_depth(e: Evaluation) -> JointErrors:
    """Depth of the root in the 3D pose, solved or refined. Granted: the reference bone. (N, 1)"""
    error = (e.root_depth - e.true_root_depth).abs()[:, None]
    return JointErrors(error, e.z_valid[:, [ROOT]], _BONE_IN_3D)


def solved_root_depth(e: Evaluation) -> JointErrors:
    """The same for the solved depth. (N, 1)"""
    return root_depth(e._replace(root_depth=e.solved_root_depth))


def refined_root_depth(e: Evaluation) -> JointErrors:
    """The same for the refined depth. (N, 1)"""
    errors = root_depth(e)
    if not e.is_refined.any():
        errors = errors._replace(needs="a refined root depth: it is solved (head.root_depth=solve)")
    return errors._replace(valid=errors.valid & e.is_refined[:, None])


def clamped(e: Evaluation) -> JointErrors:
    """1 where the root depth is clamped, else 0. (N, 1)"""
    return JointErrors(e.is_clamped[:, None].double(), e.K_valid[:, None], "a camera")


def weak_perspective(e: Evaluation) -> JointErrors:
    """In px, after alignment, for labels without a camera."""
    valid = pose_errors.alignable(e.px_valid)
    errors = pose_errors.aligned_joint_errors(e.px_xyz, e.true_px_xyz, valid)
    needs = "three joints labelled in px with a relative depth, and no camera (YouTube 3D Hands)"
    return JointErrors(errors, valid, needs)
