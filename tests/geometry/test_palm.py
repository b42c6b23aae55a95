"""The pose about the palm: exactly there and back, with a camera and without one."""

import pytest
import torch
from hands import xyz_to_uvz
from torch import Tensor

from handpose.geometry.camera import map_intrinsics, project
from handpose.geometry.palm import palm_to_wrist, solve_wrist_depth, wrist_to_palm
from handpose.geometry.pose25d import ROOT_DEPTH_RANGE, solve_root_depth, uvz_to_xyz
from handpose.skeleton import REFERENCE_BONES

BONES = list(REFERENCE_BONES.values())
COUNT = 400
YES, NO = torch.ones(COUNT, dtype=torch.bool), torch.zeros(COUNT, dtype=torch.bool)


def _hands() -> tuple[Tensor, Tensor]:
    """xyz (N, J, 3) metres that face a turned camera, and its K (N, 3, 3); float64."""
    draw = torch.Generator().manual_seed(0)
    xyz = 0.05 * torch.randn(COUNT, 21, 3, generator=draw, dtype=torch.float64)
    xyz[:, 5] = xyz[:, 0] + torch.tensor([0.05, -0.07, 0.0]) + 0.2 * xyz[:, 5]
    xyz[:, 9] = xyz[:, 0] + torch.tensor([0.01, -0.09, 0.0]) + 0.2 * xyz[:, 9]
    xyz[..., 2] += 0.5 + 0.3 * torch.rand(COUNT, 1, generator=draw, dtype=torch.float64)
    K = torch.tensor([[480.0, 0, 112], [0, 470, 115], [0, 0, 1]], dtype=torch.float64)
    turn = torch.tensor([[0.8, -0.6, 5.0], [0.6, 0.8, -3.0]], dtype=torch.float64)
    return xyz, torch.from_numpy(map_intrinsics(turn.numpy(), K.numpy())).expand(COUNT, 3, 3)


def _slowly_about_the_palm(xyz: Tensor, K: Tensor, bone: tuple[int, int]) -> Tensor:
    length = (xyz[:, bone[1]] - xyz[:, bone[0]]).norm(dim=-1)
    with_palm = xyz.clone()
    with_palm[:, 0] = (xyz[:, 0] + xyz[:, 5]) / 2
    z = (with_palm[..., 2] - with_palm[:, 0, None, 2]) / length[:, None]
    return torch.cat((project(K, with_palm), z[..., None]), dim=-1)


@pytest.mark.parametrize("bone", BONES)
def test_there_and_back_is_exact(bone: tuple[int, int]) -> None:
    xyz, K = _hands()
    length = (xyz[:, bone[1]] - xyz[:, bone[0]]).norm(dim=-1)
    depth, uvz = xyz[:, 0, 2] / length, xyz_to_uvz(xyz, K, bone)
    palm = wrist_to_palm(uvz, depth, YES)
    assert (palm - _slowly_about_the_palm(xyz, K, bone)).abs().max() < 1e-9
    assert (palm[:, 0, 2] == 0).all()
    solved = solve_wrist_depth(palm, K, bone)
    assert (solved - depth).abs().max() < 1e-6
    back = palm_to_wrist(palm, solved, YES)
    assert (back - uvz)[..., :2].abs().max() < 1e-4
    assert (back - uvz)[..., 2].abs().max() < 1e-6
    metric = uvz_to_xyz(back, K, solved) * length[:, None, None]
    assert (metric - xyz).abs().max() < 1e-6


@pytest.mark.parametrize("bone", BONES)
def test_what_is_not_exact_is_seen(bone: tuple[int, int]) -> None:
    """A palm taken for a wrist, the other bone, and the midpoint in 2D under perspective."""
    xyz, K = _hands()
    length = (xyz[:, bone[1]] - xyz[:, bone[0]]).norm(dim=-1)
    depth, uvz = xyz[:, 0, 2] / length, xyz_to_uvz(xyz, K, bone)
    palm = wrist_to_palm(uvz, depth, YES)
    other = next(b for b in BONES if b != bone)
    assert (solve_root_depth(palm, K, bone) - depth).abs().median() > 0.5
    assert (solve_wrist_depth(palm, K, other) - depth).abs().median() > 0.1
    assert (wrist_to_palm(uvz, depth, NO) - palm)[:, 0, :2].norm(dim=-1).median() > 0.1
    assert (palm_to_wrist(palm, depth, NO) - uvz)[:, 0, :2].norm(dim=-1).median() > 0.1


def test_any_predicted_palm_is_the_midpoint_of_its_wrist_and_index_mcp() -> None:
    """Of no true hand, and at a depth that is not the solved one."""
    xyz, K = _hands()
    draw = torch.Generator().manual_seed(1)
    noise = torch.randn(COUNT, 21, 3, generator=draw, dtype=torch.float64)
    palm = _slowly_about_the_palm(xyz, K, (0, 5)) + noise * torch.tensor([9.0, 9.0, 0.3])
    palm[..., 2] -= palm[:, :1, 2].clone()
    depth = 5 + 10 * torch.rand(COUNT, generator=draw, dtype=torch.float64)
    of_wrist = uvz_to_xyz(palm_to_wrist(palm, depth, YES), K, depth)
    z = palm[..., 2] + (depth + palm[:, 5, 2])[:, None]
    of_palm = (torch.linalg.inv(K) @ _homogeneous(palm) * z[:, None]).transpose(1, 2)
    assert (of_wrist[:, 1:] - of_palm[:, 1:]).abs().max() < 1e-9
    assert (of_wrist[:, 0] - (2 * of_palm[:, 0] - of_palm[:, 5])).abs().max() < 1e-9


def _homogeneous(uvz: Tensor) -> Tensor:
    """(B, J, 3) px -> (B, 3, J)."""
    return torch.cat((uvz[..., :2], torch.ones_like(uvz[..., :1])), dim=-1).transpose(1, 2)


def test_without_a_camera_it_is_the_midpoint_there_and_back() -> None:
    uvz = torch.randn(COUNT, 21, 3, dtype=torch.float64)
    uvz[..., 2] -= uvz[:, :1, 2].clone()
    unknown = torch.full((COUNT,), torch.nan, dtype=torch.float64)
    palm = wrist_to_palm(uvz, unknown, NO)
    assert torch.allclose(palm[:, 0, :2], (uvz[:, 0, :2] + uvz[:, 5, :2]) / 2)
    assert torch.allclose(palm_to_wrist(palm, 1 + uvz[:, 0, 0].abs(), NO), uvz)


@pytest.mark.parametrize("bone", BONES)
def test_any_prediction_gives_finite_numbers_and_gradients(bone: tuple[int, int]) -> None:
    K = _hands()[1][:3]
    palm = torch.zeros(3, 21, 3, dtype=torch.float64)
    palm[1] = 1e3 * torch.randn(21, 3, generator=torch.Generator().manual_seed(2))
    palm[2, 5, 2] = -40.0
    palm.requires_grad_()
    depth = solve_wrist_depth(palm, K, bone)
    assert ((depth >= ROOT_DEPTH_RANGE[0]) & (depth <= ROOT_DEPTH_RANGE[1])).all()
    xyz = uvz_to_xyz(palm_to_wrist(palm, depth, YES[:3]), K, depth)
    assert torch.isfinite(xyz).all()
    xyz.sum().backward()
    assert torch.isfinite(palm.grad).all()
