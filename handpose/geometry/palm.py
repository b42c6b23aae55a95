"""The 2.5D pose about the palm, as the paper has it: joint 0 is the palm's centre, not the wrist.

The palm P = (X_0 + X_5) / 2 is the midpoint, in 3D, of the wrist and the index finger's MCP. In the
palm's uvz joint 0 is the palm, and every z counts from its depth. The reference bone, and with it
the unit, stays the same. Both directions are exact. B batch, J = 21; lengths in reference bones.

X_0 = 2 P - X_5 is linear, and a px is a point of its ray over its depth, so with the depths Z

    uv_P = (Z_0 uv_0 + Z_5 uv_5) / (Z_0 + Z_5),    uv_0 = (2 Z_P uv_P - Z_5 uv_5) / Z_0.

Without a camera no depth is known. Weak perspective takes all depths as equal: uv_P is then the
midpoint of uv_0 and uv_5, and uv_0 = 2 uv_P - uv_5.
"""

import torch
from torch import Tensor

from handpose.geometry.pose25d import solve_depth
from handpose.skeleton import ROOT

PALM_END = 5  # index MCP: the palm is the midpoint between it and the wrist


def wrist_to_palm(uvz: Tensor, wrist_depth: Tensor, has_depth: Tensor) -> Tensor:
    """Turns the wrist's uvz (px, px, bones) into the palm's; both (B, J, 3).

    Args:
        uvz: (B, J, 3) with the wrist at joint 0.
        wrist_depth: (B,) in reference bones; any number where it is not known.
        has_depth: (B,) bool, whether the depth is known; weak perspective elsewhere.
    """
    z_end = uvz[:, PALM_END, 2]
    wrist = torch.where(has_depth, wrist_depth, 1.0)[:, None]
    end = torch.where(has_depth, wrist_depth + z_end, 1.0)[:, None]
    palm = (wrist * uvz[:, ROOT, :2] + end * uvz[:, PALM_END, :2]) / (wrist + end)
    z = uvz[:, ROOT + 1 :, 2] - z_end[:, None] / 2
    return _joined(palm, uvz[:, ROOT + 1 :, :2], torch.nn.functional.pad(z, (1, 0)))


def solve_wrist_depth(palm_uvz: Tensor, K: Tensor, bone: tuple[int, int]) -> Tensor:
    """Returns the wrist's depth (B,) in reference bones; see `solve_depth`.

    The reference bone starts at the wrist: X_b - X_0 = X_b - 2 P + X_5.

    Args:
        palm_uvz: (B, J, 3) with the palm at joint 0.
        K: (B, 3, 3) of the crop.
        bone: Joints of the reference bone.
    """
    start, end = bone
    assert start == ROOT, "a reference bone starts at the wrist"
    unit = {ROOT: -2.0, PALM_END: 1.0}
    unit[end] = unit.get(end, 0.0) + 1.0
    return solve_depth(_from_wrist(palm_uvz), K, unit)


def palm_to_wrist(palm_uvz: Tensor, wrist_depth: Tensor, has_depth: Tensor) -> Tensor:
    """Turns the palm's uvz into the wrist's, the inverse of `wrist_to_palm`; both (B, J, 3).

    Args:
        palm_uvz: (B, J, 3) with the palm at joint 0.
        wrist_depth: (B,) in reference bones, above 0.
        has_depth: (B,) bool, whether the depth is known; weak perspective elsewhere.
    """
    uvz = _from_wrist(palm_uvz)
    palm, end = (wrist_depth + uvz[:, joint, 2] for joint in (ROOT, PALM_END))
    # Of the palm and of the end; the weights sum to 1.
    weight = torch.where(has_depth, 2 * palm / wrist_depth, 2.0)[:, None]
    rest = torch.where(has_depth, -end / wrist_depth, -1.0)[:, None]
    wrist = weight * uvz[:, ROOT, :2] + rest * uvz[:, PALM_END, :2]
    z = torch.nn.functional.pad(uvz[:, ROOT + 1 :, 2], (1, 0))
    return _joined(wrist, uvz[:, ROOT + 1 :, :2], z)


def _from_wrist(palm_uvz: Tensor) -> Tensor:
    """The palm's uvz with all depths counted from the wrist: Z_P - Z_0 = Z_5 - Z_P."""
    z = palm_uvz[..., 2] + palm_uvz[:, PALM_END, 2, None]
    return torch.cat((palm_uvz[..., :2], z[..., None]), dim=-1)


def _joined(first: Tensor, others: Tensor, z: Tensor) -> Tensor:
    """(B, 2), (B, J - 1, 2) and (B, J) -> (B, J, 3)."""
    return torch.cat((torch.cat((first[:, None], others), dim=1), z[..., None]), dim=-1)
