"""The 2.5D pose: uvz -> xyz, and the root depth that the reference bone's unit length gives.

Iqbal et al., "Hand Pose Estimation via Latent 2.5D Heatmap Regression", ECCV 2018
(arXiv 1804.09534), eq. 4 to 7. B batch, J = 21. Lengths are in units of the reference bone unless
stated otherwise. Solve outside autocast, in float32 or better.

The bone's unit length gives a quadratic in the root's depth, and the larger root is taken. It is
wrong for a bone that points strongly at the camera: one whose far end projects nearer than a right
angle to the ray. That is 0.03 % of FreiHAND-like hands, 1 % of randomly oriented ones at 0.15 m.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from handpose.geometry.camera import back_project, rays

# Depth of the root in reference bones: every hand from 0.15 m to 3 m is inside. A single exploding
# root ruins a mean.
# - Unit: wrist to index or middle MCP, half of a hand's length. 0.04 m (a child of one, hand of
#   0.09 m) to 0.12 m (the largest adults, 0.23 m): 0.15 / 0.12 = 1.25 to 3 / 0.04 = 75.
# - 0.15 m: at a focal length of 0.5 image widths (headset, 90 degrees) to 0.96 (webcam; 615 of 640
#   px in HO-3D and DexYCB) an adult's 0.19 m fill 0.6 to 1.2 widths. Nearer, no whole hand is seen.
# - 3 m: at 615 px the same hand is 39 px long. Farther, a crop shows no fingers.
# PeCLR's 4 to 50 counts another bone, middle MCP to PIP (about 0.03 m): about 1.3 to 17 in ours.
ROOT_DEPTH_RANGE = (1.0, 75.0)
# Smallest visible part of a bone under weak perspective: a bone along the view has no length in px.
_MIN_SEEN = 0.1


def solve_root_depth(uvz: Tensor, K: Tensor, bone: tuple[int, int]) -> Tensor:
    """Returns the root's depth (B,) in reference bones, eq. 6 and 7; see `solve_depth`.

    Args:
        uvz: (B, J, 3).
        K: (B, 3, 3).
        bone: Joints of the reference bone.
    """
    return solve_depth(uvz, K, {bone[0]: -1.0, bone[1]: 1.0})


def solve_depth(uvz: Tensor, K: Tensor, unit: Mapping[int, float]) -> Tensor:
    """Returns the depth Z (B,) that every z of uvz counts from, given a vector of length 1.

    With p_j = K^-1 (u_j, v_j, 1), d = sum_j c_j p_j and w = sum_j c_j z_j p_j, the vector is
    Z d + w, so |d|^2 Z^2 + 2 (d . w) Z + |w|^2 - 1 = 0. Clamped to ROOT_DEPTH_RANGE; a negative
    discriminant (no such hand) counts as zero. Differentiable.

    Args:
        uvz: (B, J, 3).
        K: (B, 3, 3).
        unit: Joint -> weight c_j; the weights sum to 0, and sum_j c_j X_j has length 1.
    """
    # Slices and plain numbers: lists would be copied to the device in every step.
    joints = torch.stack([uvz[:, joint] for joint in unit], dim=1)
    points = torch.nn.functional.pad(rays(K, joints[..., :2]), (0, 1), value=1.0)
    weighted = [weight * points[:, place] for place, weight in enumerate(unit.values())]
    parts = torch.stack(weighted, dim=1)
    d, w = parts.sum(1), (joints[..., 2:] * parts).sum(1)
    a, b, c = (d * d).sum(-1), (d * w).sum(-1), (w * w).sum(-1) - 1
    discriminant = (b * b - a * c).clamp(min=1e-9)
    return ((discriminant.sqrt() - b) / a.clamp(min=1e-9)).clamp(*ROOT_DEPTH_RANGE)


def uvz_to_xyz(uvz: Tensor, K: Tensor, root_depth: Tensor) -> Tensor:
    """Decodes the 2.5D pose.

    Args:
        uvz: (B, J, 3).
        K: (B, 3, 3).
        root_depth: (B,) in reference bones.

    Returns:
        (B, J, 3), camera frame, in reference bones.
    """
    return back_project(K, uvz[..., :2], uvz[..., 2] + root_depth[:, None])


def uvz_to_px(uvz: Tensor, bone: tuple[int, int]) -> Tensor:
    """Decodes the 2.5D pose without a camera, by weak perspective.

    Under a scaled orthographic projection lengths in px keep their proportions, so the reference
    bone's length b in px obeys |d_uv|^2 + (b d_z)^2 = b^2: b = |d_uv| / sqrt(1 - d_z^2), and the
    depth is b z. sqrt(1 - d_z^2) is clamped to 0.1 or more, so b to 10 |d_uv| or less.

    Args:
        uvz: (B, J, 3): px, px, bones.
        bone: Joints of the reference bone.

    Returns:
        (B, J, 3) px.
    """
    ends = uvz[:, list(bone)]
    difference = ends[:, 1] - ends[:, 0]
    seen = (1 - difference[:, 2] ** 2).clamp(min=_MIN_SEEN**2).sqrt()
    length = difference[:, :2].norm(dim=-1) / seen
    return torch.cat((uvz[..., :2], length[:, None, None] * uvz[..., 2:]), dim=-1)
