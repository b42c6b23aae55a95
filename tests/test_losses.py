"""Losses against slow loops and closed forms; masks without leaks."""

import math

import pytest
import torch
from torch import Tensor

from handpose.losses import nt_xent, pose_25d_loss


def _slow_nt_xent(z: Tensor, identity: Tensor, temperature: float) -> float:
    views = [(b, v) for b in range(len(z)) for v in (0, 1)]
    total = 0.0
    for b, v in views:
        anchor, losses = z[b, v] / z[b, v].norm(), []
        for c, w in views:
            if (c, w) == (b, v) or (c != b and identity[c] == identity[b]):
                continue
            similarity = float(anchor @ z[c, w] / z[c, w].norm()) / temperature
            losses.append(math.exp(similarity))
            if c == b:
                positive = similarity
        total += -positive + math.log(sum(losses))
    return total / len(views)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_nt_xent_equals_a_slow_loop(temperature: float) -> None:
    z = torch.randn(6, 2, 5, dtype=torch.float64)
    identity = torch.tensor([0, 1, 2, 0, 4, 1])
    expected = _slow_nt_xent(z, identity, temperature)
    assert float(nt_xent(z, identity, temperature=temperature)) == pytest.approx(expected, abs=1e-9)
    alone = _slow_nt_xent(z, torch.arange(6), temperature)
    assert abs(alone - expected) > 1e-4


def test_nt_xent_of_identical_embeddings_is_the_closed_form() -> None:
    z = torch.ones(8, 2, 3)
    loss = nt_xent(z, torch.arange(8), temperature=0.5)
    assert float(loss) == pytest.approx(-math.log(1 / (2 * 8 - 1)), abs=1e-6)


def test_nt_xent_stays_finite_at_a_low_temperature_in_half_precision() -> None:
    z = torch.randn(16, 2, 8, dtype=torch.float16, requires_grad=True)
    nt_xent(z, torch.arange(16), temperature=0.01).backward()
    assert torch.isfinite(z.grad).all()


def test_pose_loss_ignores_unlabelled_values_and_their_gradients() -> None:
    predicted = torch.randn(3, 21, 3, requires_grad=True)
    true = torch.randn(3, 21, 3)
    uv_valid, z_valid = torch.rand(3, 21) < 0.5, torch.rand(3, 21) < 0.5
    true[..., :2][~uv_valid] = torch.nan
    true[..., 2][~z_valid] = torch.nan
    uv, z = pose_25d_loss(predicted, true, uv_valid, z_valid, image_size=64)
    (uv + z).backward()
    error = (predicted - true).detach().abs()
    assert float(uv) == pytest.approx(float(error[..., :2][uv_valid].mean()) / 64, rel=1e-5)
    assert float(z) == pytest.approx(float(error[..., 2][z_valid].mean()), rel=1e-5)
    assert torch.isfinite(predicted.grad).all()
    assert (predicted.grad[..., 2][~z_valid] == 0).all()


def test_pose_loss_without_any_label_is_zero_not_nan() -> None:
    predicted = torch.randn(2, 21, 3, requires_grad=True)
    nothing = torch.zeros(2, 21, dtype=torch.bool)
    uv, z = pose_25d_loss(predicted, torch.zeros(2, 21, 3), nothing, nothing, image_size=64)
    (uv + z).backward()
    assert float(uv) == float(z) == 0
    assert (predicted.grad == 0).all()
