"""Confidence of a head before calibration: closed forms, and a pose that is learned without it."""

import math
from collections.abc import Callable

import pytest
import torch
from hands import CONTRACT, labelled

from handpose.geometry.soft_argmax import gaussian_heatmaps, soft_argmax
from handpose.heads.base import Head
from handpose.heads.confidence import NEAR_SIDES, likely_near, mass_near, scale_loss
from handpose.heads.heatmap import HeatmapHead
from handpose.heads.regression import RegressionHead
from handpose.heads.simcc import SimCCHead
from handpose.records import Prediction

NAMES: dict[str, Callable[[], Head]] = {
    "heatmap": lambda: HeatmapHead(width=8, stride=4, **CONTRACT),
    "regression": lambda: RegressionHead(hidden_dim=16, **CONTRACT),
    "simcc": lambda: SimCCHead(width=8, z_bins=64, **CONTRACT),
}


def features(count: int) -> tuple[torch.Tensor, ...]:
    sizes = zip(CONTRACT["channels"], CONTRACT["strides"], strict=True)
    return tuple(torch.randn(count, c, 64 // s, 64 // s) for c, s in sizes)


@pytest.mark.parametrize("name", list(NAMES))
def test_every_head_gives_one_for_each_joint_and_the_hand(name: str) -> None:
    head = NAMES[name]().eval()
    K = torch.tensor([[90.0, 0, 32], [0, 90, 32], [0, 0, 1]]).expand(5, 3, 3)
    prediction = head(features(5), torch.randn(5, 20), K)
    assert prediction.confidence.shape == (5, 21)
    assert ((prediction.confidence >= 0) & (prediction.confidence <= 1)).all()
    assert not prediction.confidence.requires_grad
    assert torch.allclose(prediction.hand_confidence, prediction.confidence.mean(1))


def test_mass_near_is_the_sum_of_the_cells_within_two() -> None:
    """The slow, obvious version; both axes, and any size of the heatmap."""
    heatmap = torch.rand(2, 3, 8, 16)
    heatmap /= heatmap.sum((2, 3), keepdim=True)
    uv = torch.tensor([[[20.0, 11.0], [63.0, 0.0], [31.5, 40.0]]]).repeat(2, 1, 1)
    found = mass_near(heatmap, uv, 64)
    for row in range(2):
        for joint in range(3):
            u, v = ((uv[row, joint] + 0.5) * torch.tensor([16, 8]) / 64 - 0.5).tolist()
            near = [
                float(heatmap[row, joint, y, x])
                for y in range(8)
                for x in range(16)
                if math.hypot(x - u, y - v) <= 2
            ]
            assert float(found[row, joint]) == pytest.approx(sum(near), rel=1e-5)


def test_a_sharp_heatmap_is_sure_and_one_of_two_blobs_is_not() -> None:
    uv = torch.tensor([[[15.0, 31.0], [47.0, 31.0]]])
    sharp = gaussian_heatmaps(uv, 16, 64, 0.5)
    both = sharp.mean(1, keepdim=True)
    spread = torch.full((1, 1, 16, 16), 1 / 256)
    sure, torn, lost = (
        float(mass_near(h, soft_argmax(h, 64), 64).min()) for h in (sharp, both, spread)
    )
    assert sure > 0.95
    assert torn < 0.05, "the mean lies between the blobs"
    assert lost == pytest.approx(12 / 256), "the cells within two of a corner of four"


def test_the_scale_of_a_laplace_density_gives_its_mass_within_the_limit() -> None:
    scale = torch.tensor([[0.01, 0.05, 0.2]])
    draws = torch.distributions.Laplace(0.0, scale).sample((200_000,))
    share = (draws.abs() <= NEAR_SIDES).double().mean(0)
    assert torch.allclose(likely_near(scale.log()).double(), share, atol=5e-3)


def test_the_loss_is_least_where_the_scale_is_the_mean_error() -> None:
    error = torch.rand(400, 21) * torch.linspace(0.01, 0.2, 21)
    valid = torch.rand(400, 21) < 0.7
    log_scale = torch.full((21,), math.log(0.05), requires_grad=True)
    optimizer = torch.optim.Adam([log_scale], lr=0.02)
    for _ in range(400):
        optimizer.zero_grad()
        scale_loss(log_scale.expand_as(error), error, valid).backward()
        optimizer.step()
    mean = torch.where(valid, error, 0).sum(0) / valid.sum(0)
    assert torch.allclose(log_scale.exp(), mean, rtol=0.02)


def _steps(head: Head, count: int = 4) -> tuple[Head, Prediction]:
    target = labelled(6, seed=0)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
    for step in range(count):
        torch.manual_seed(step)
        prediction = head(features(6), torch.randn(6, 20), target.K)
        terms = head.loss(prediction, target)
        optimizer.zero_grad()
        (terms["loss"] + terms.get("loss_scale", 0.0)).backward()
        optimizer.step()
    return head, prediction


def test_the_pose_is_learned_as_without_the_scale_bit_for_bit() -> None:
    torch.manual_seed(3)
    plain = NAMES["regression"]()
    drawn = torch.rand(1)
    torch.manual_seed(3)
    scaled = NAMES["regression"]()
    assert torch.equal(drawn, torch.rand(1)), "its start draws no random numbers"
    plain.scale = None
    (plain, without), (scaled, with_scale) = _steps(plain), _steps(scaled)
    assert torch.equal(without.uvz, with_scale.uvz)
    learned = scaled.state_dict()
    assert all(torch.equal(value, learned[name]) for name, value in plain.state_dict().items())
    assert learned["scale.weight"].abs().sum() > 0, "and the scale is learned"
    assert without.confidence.shape == (6, 0)
    assert (without.hand_confidence == 0).all()


def test_before_training_the_scale_is_a_twentieth_of_the_crop() -> None:
    head = NAMES["regression"]().eval()
    prediction = head(features(2), torch.randn(2, 20), torch.eye(3).expand(2, 3, 3))
    assert torch.allclose(prediction.log_scale.exp(), torch.tensor(0.05))
    assert torch.allclose(prediction.confidence, torch.tensor(1 - math.exp(-1)))


def test_unlabelled_joints_have_no_part_in_the_scale() -> None:
    target = labelled(3, seed=1)
    target.uv_valid[1] = False
    target.uvz[1] = torch.nan
    head = NAMES["regression"]()
    prediction = head(features(3), torch.randn(3, 20), target.K)
    head.loss(prediction, target)["loss_scale"].backward()
    assert head.scale.weight.grad.isfinite().all()
    assert head.mlp[-1].weight.grad is None, "no gradient reaches the pose"
