"""xyz -> uvz -> xyz in float64, both reference bones, and what happens off the manifold."""

import numpy as np
import pytest
import torch
from hands import hands, xyz_to_uvz
from torch import Tensor

from handpose.geometry import pose25d
from handpose.geometry.camera import map_intrinsics, mirror_intrinsics, project, rays
from handpose.geometry.pose25d import (
    ROOT_DEPTH_RANGE,
    solve_root_depth,
    uvz_to_px,
    uvz_to_xyz,
)
from handpose.skeleton import REFERENCE_BONES


def _hands(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    xyz = torch.randn(count, 21, 3, generator=generator, dtype=torch.float64) * 0.05
    xyz[..., 2] += 0.5 + 0.4 * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    K = torch.tensor([[480.0, 0, 112], [0, 470, 115], [0, 0, 1]], dtype=torch.float64)
    turn = torch.tensor([[0.8, -0.6, 5.0], [0.6, 0.8, -3.0]], dtype=torch.float64)
    turned = torch.from_numpy(map_intrinsics(turn.numpy(), K.numpy()))
    return xyz, turned.expand(count, 3, 3)


@pytest.mark.parametrize("bone", list(REFERENCE_BONES))
def test_round_trip_within_a_hundredth_of_a_millimetre(bone: str) -> None:
    ends = REFERENCE_BONES[bone]
    xyz, K = _hands(4000)
    length = (xyz[:, ends[1]] - xyz[:, ends[0]]).norm(dim=-1)
    uvz = xyz_to_uvz(xyz, K, ends)
    back = uvz_to_xyz(uvz, K, solve_root_depth(uvz, K, ends)) * length[:, None, None]
    depth = xyz[:, 0, 2] / length
    # The larger root is the right one iff the quadratic rises at the true depth.
    points = torch.nn.functional.pad(rays(K, uvz[:, list(ends), :2]), (0, 1), value=1.0)
    d = points[:, 1] - points[:, 0]
    w = uvz[:, ends[1], 2, None] * points[:, 1]
    rises = (d * d).sum(-1) * depth + (d * w).sum(-1) > 0
    fits = rises & (depth > ROOT_DEPTH_RANGE[0]) & (depth < ROOT_DEPTH_RANGE[1])
    assert fits.double().mean() > 0.7
    assert (back - xyz)[fits].norm(dim=-1).max() < 1e-5
    wrong = ~rises & (depth < ROOT_DEPTH_RANGE[1])
    assert (back - xyz)[wrong].norm(dim=-1).amax(-1).min() > 1e-5


@pytest.mark.parametrize("bone", list(REFERENCE_BONES))
@pytest.mark.parametrize("size", [0.55, 1.0, 1.15])  # children of one, adults, large adults
def test_an_exact_pose_gives_an_exact_hand_from_15_cm_to_3_m(
    bone: str, size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wrong case: PeCLR's range, which is in lengths of another bone."""
    ends, errors = REFERENCE_BONES[bone], {}
    for low, high in ((1.0, 75.0), (4.0, 50.0)):
        monkeypatch.setattr(pose25d, "ROOT_DEPTH_RANGE", (low, high))
        for depth in (0.15, 0.2, 0.25, 0.3, 0.5, 1.0, 2.0, 3.0):
            xyz, K = (a.double() for a in hands(60, seed=0, depth=(depth, depth), size=size))
            length = (xyz[:, ends[1]] - xyz[:, ends[0]]).norm(dim=-1)
            uvz = xyz_to_uvz(xyz, K, ends)
            found = uvz_to_xyz(uvz, K, solve_root_depth(uvz, K, ends)) * length[:, None, None]
            relative = (found - found[:, :1]) - (xyz - xyz[:, :1])
            errors[low, depth] = float(relative.norm(dim=-1).mean()) * 1000
    assert ROOT_DEPTH_RANGE == (1.0, 75.0)
    assert max(error for (low, _), error in errors.items() if low == 1.0) < 1e-6
    if size >= 1.0:
        assert errors[4.0, 0.15] > errors[4.0, 0.25] > errors[4.0, 0.3] > 5, "mm"
    else:
        assert errors[4.0, 3.0] > 5, "mm"


def test_root_depth_is_defined_and_clamped_for_any_prediction() -> None:
    _, K = _hands(3)
    uvz = torch.zeros(3, 21, 3, dtype=torch.float64)
    uvz[1] = torch.randn(21, 3) * 1e3
    uvz[2, 5, 2] = 7.0
    uvz.requires_grad_()
    depth = solve_root_depth(uvz, K, REFERENCE_BONES["index"])
    depth.sum().backward()
    assert torch.isfinite(uvz.grad).all()
    assert ((depth >= ROOT_DEPTH_RANGE[0]) & (depth <= ROOT_DEPTH_RANGE[1])).all()


def test_mirrored_camera_sees_the_mirrored_hand() -> None:
    xyz, _ = _hands(1)
    K = torch.tensor([[480.0, 0, 100], [0, 470, 115], [0, 0, 1]], dtype=torch.float64)
    uv = project(K[None], xyz)[0]
    mirrored = torch.from_numpy(mirror_intrinsics(K.numpy(), 224))
    seen = project(mirrored[None], xyz * torch.tensor([-1.0, 1.0, 1.0]))[0]
    assert torch.allclose(seen[:, 0], 223 - uv[:, 0])
    assert torch.allclose(seen[:, 1], uv[:, 1])
    assert mirrored[0, 0] > 0


def test_weak_perspective_gives_back_hands_in_px(rng: np.random.Generator) -> None:
    px = torch.from_numpy(rng.normal(size=(6, 21, 3)) * 40)
    for bone in ((0, 5), (0, 9)):
        length = (px[:, bone[1]] - px[:, bone[0]]).norm(dim=-1)
        z = (px[..., 2] - px[:, 0, None, 2]) / length[:, None]
        found = uvz_to_px(torch.cat((px[..., :2], z[..., None]), dim=-1), bone)
        expected = px - px[:, :1] * torch.tensor([0.0, 0.0, 1.0])
        assert torch.allclose(found, expected)


def test_weak_perspective_of_impossible_bones_is_finite() -> None:
    uvz = torch.zeros(3, 21, 3)
    uvz[1, 5] = torch.tensor([3.0, 4.0, 1.0])  # a unit of depth leaves nothing to be seen
    uvz[2, 5] = torch.tensor([3.0, 4.0, -7.0])
    px = uvz_to_px(uvz, (0, 5))
    assert px[0].abs().max() == 0
    assert px[1, 5].tolist() == pytest.approx([3, 4, 50])  # 5 px seen at a tenth of the length
    assert px[2, 5].tolist() == pytest.approx([3, 4, -350])
