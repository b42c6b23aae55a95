"""The truth about the palm, for heads that predict it in the wrist's place. B batch, J = 21."""

import torch

from handpose.geometry.palm import PALM_END, wrist_to_palm
from handpose.records import Target
from handpose.skeleton import ROOT


def palm_target(target: Target) -> Target:
    """`target` with uvz and its validity about the palm (see `handpose.geometry.palm`).

    z needs the palm's far end labelled, beside what it needs already. uv of the palm needs both of
    its ends in 2D and, where there is a camera, their depths; without one it is the midpoint, by
    the same weak perspective that turns a prediction back.
    """
    has_end = target.z_valid[:, PALM_END]
    has_depth = has_end & target.z_valid[:, ROOT] & target.K_valid
    uv_valid = target.uv_valid.clone()
    uv_valid[:, ROOT] &= target.uv_valid[:, PALM_END] & (has_depth | ~target.K_valid)
    uvz = wrist_to_palm(target.uvz, target.xyz[:, ROOT, 2] / target.bone, has_depth)
    z_valid = target.z_valid & has_end[:, None]
    valid = torch.stack((uv_valid, uv_valid, z_valid), dim=-1)
    return target._replace(uvz=torch.where(valid, uvz, 0.0), uv_valid=uv_valid, z_valid=z_valid)
