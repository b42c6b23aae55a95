"""The fitted confidence: closed forms, what it reads, and that it is stored whole."""

import math
from collections.abc import Callable

import pytest
import torch
from hands import CONTRACT
from tiny_backbone import TinyBackbone

from handpose.evaluation.fit_calibration import fit_calibration, fit_line
from handpose.evaluation.pose_errors import expected_calibration_error, mean_of_hands
from handpose.heads.calibration import CORRECT_WITHIN, Calibration, describe, margins
from handpose.heads.regression import RegressionHead
from handpose.model import PoseModel

J, F = 21, 12


def draw(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs whose first column is the log error, hands' errors by it, and inputs without one."""
    draws = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, F, generator=draws, dtype=torch.float64)
    scale = CORRECT_WITHIN * torch.exp(0.8 * inputs[:, :1] - 0.3)
    errors = scale * -torch.rand(count, J, generator=draws, dtype=torch.float64).log()
    others = torch.randn(count, F, generator=draws, dtype=torch.float64)
    others[:, 1] += 8
    return inputs, errors, others


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    inputs, errors, others = draw(400, seed=0)
    return fit_calibration(inputs, errors, torch.ones(400, J, dtype=torch.bool), others)


def test_it_is_calibrated_on_other_hands_and_orders_them(fitted: Calibration) -> None:
    inputs, errors, _ = draw(2000, seed=1)
    joint, hand = (confidence.double() for confidence in fitted(inputs.float()))
    valid = torch.ones_like(errors, dtype=torch.bool)
    correct = (errors <= CORRECT_WITHIN).double()
    assert expected_calibration_error(joint - correct, valid) < 0.03
    mean = mean_of_hands(errors, valid)
    of_hands = hand - (mean <= CORRECT_WITHIN).double()
    assert expected_calibration_error(of_hands[:, None], valid[:, :1]) < 0.06
    assert expected_calibration_error(1 - correct, valid) > 0.2, "always sure"
    order = hand.argsort(descending=True)
    assert mean[order[:1000]].mean() < 0.5 * mean[order[1000:]].mean()


def test_images_without_a_hand_come_out_low(fitted: Calibration) -> None:
    hands, _, others = draw(1000, seed=2)
    with_hand, without = fitted(hands.float()), fitted(others.float())
    for one, none in zip(with_hand, without, strict=True):
        assert float(none.max()) < 0.1
        assert float(one.median()) > 0.5


def test_unlabelled_joints_have_no_part(fitted: Calibration) -> None:
    inputs, errors, others = draw(400, seed=0)
    valid = torch.rand(400, J) < 0.6
    valid[:, 0] = True
    hidden = [torch.where(valid, errors, value) for value in (0.0, torch.nan)]
    first, second = (fit_calibration(inputs, each, valid, others) for each in hidden)
    assert all(torch.equal(first.state()[name], value) for name, value in second.state().items())
    assert not torch.equal(first.joint, fitted.joint)


def test_margins_are_logarithms_of_the_limit_over_the_error() -> None:
    error = torch.rand(5, J) + 0.01
    joint, hand = margins(error.log())
    assert torch.allclose(joint, (CORRECT_WITHIN / error).log(), atol=1e-5)
    assert torch.allclose(hand, (CORRECT_WITHIN / error.mean(1)).log(), atol=1e-5)


def test_the_line_is_the_one_that_drew_the_outcomes() -> None:
    value = 2 * torch.randn(50_000)
    is_correct = torch.rand(50_000) < torch.sigmoid(1.5 * value - 0.7)
    assert torch.allclose(fit_line(value, is_correct).float(), torch.tensor([1.5, -0.7]), atol=0.05)
    present = torch.full((50_000,), 0.8)
    is_there = is_correct & (torch.rand(50_000) < present)
    line = fit_line(value, is_there, present).float()
    assert torch.allclose(line, torch.tensor([1.5, -0.7]), atol=0.1)


@pytest.mark.parametrize("is_correct", [True, False])
def test_one_outcome_alone_gives_a_finite_line(is_correct: bool) -> None:
    line = fit_line(torch.randn(60), torch.full((60,), is_correct))
    assert line.isfinite().all()
    assert line[0] >= 0
    assert (float(line[1]) > 1) is is_correct


def test_a_value_that_misleads_is_not_turned_round() -> None:
    value = torch.randn(1000)
    assert fit_line(value, value < 0)[0] == 0


def test_it_reads_means_deviations_and_log_odds() -> None:
    levels = (torch.randn(3, 4, 6, 6), torch.randn(3, 5, 1, 1))
    confidence = torch.tensor([[0.0, 0.5, 1.0]]).repeat(3, 1)
    found = describe(levels, confidence)
    assert found.shape == (3, 2 * (4 + 5) + 3)
    assert torch.allclose(found[:, :4], levels[0].mean((2, 3)), atol=1e-6)
    assert torch.allclose(found[:, 4:8], levels[0].flatten(2).std(2, correction=0), atol=1e-6)
    assert (found[:, 13:18] == 0).all(), "a level of one cell has no deviation"
    assert found[0, -3:].tolist() == pytest.approx([-math.log(999), 0, math.log(999)], rel=1e-3)


@pytest.fixture
def make_model() -> Callable[[], PoseModel]:
    def make() -> PoseModel:
        torch.manual_seed(0)
        body = TinyBackbone()
        widths = dict(
            channels=body.channels, strides=body.strides, embedding_dim=body.embedding_dim
        )
        head = RegressionHead(hidden_dim=8, **{**CONTRACT, **widths})
        return PoseModel(backbone=body, head=head).eval()

    return make


def test_a_model_keeps_it_beside_its_weights(make_model: Callable[[], PoseModel]) -> None:
    model, image = make_model(), torch.randint(0, 256, (7, 3, 64, 64), dtype=torch.uint8)
    K = torch.eye(3).expand(7, 3, 3)
    plain, names = model(image, K), set(model.state_dict())
    inputs = describe(model.backbone.encode(image)[0], plain.confidence).detach().double()
    noise = torch.randn(60, inputs.shape[1], dtype=torch.float64)
    hands = inputs.mean(0) + noise * inputs.std(0)
    errors = torch.rand(60, J, dtype=torch.float64) * 0.2
    valid = torch.ones(60, J, dtype=torch.bool)
    model.calibration = fit_calibration(hands, errors, valid, hands + 9 * inputs.std(0))
    model.confidence_note = ""
    assert set(model.state_dict()) == names
    expected, again = model(image, K), make_model()
    again.take(model.content())
    found = again(image, K)
    assert torch.equal(found.confidence, expected.confidence)
    assert torch.equal(found.hand_confidence, expected.hand_confidence)
    assert torch.equal(found.uvz, plain.uvz)
    assert again.confidence_note == ""
    assert not torch.equal(found.confidence, plain.confidence)
    again.take({"state_dict": model.state_dict()})
    assert again.calibration is None
    assert "from before" in again.confidence_note
    assert torch.equal(again(image, K).confidence, plain.confidence)
