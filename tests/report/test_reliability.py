"""The reliability diagram, and the numbers of results.json that it shows."""

import numpy as np
import pytest
import torch

from handpose.evaluation import joint_errors, pose_errors
from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.joint_errors import JointErrors
from handpose.evaluation.summarise import summarise
from handpose.report.reliability import draw_reliability, reliability_bins


def gaps(confidence: torch.Tensor, correct: torch.Tensor) -> JointErrors:
    values = (confidence - correct.double())[:, None]
    return JointErrors(values, torch.ones_like(values, dtype=torch.bool), "")


def slow_ece(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Bin by bin, as Guo et al. define it."""
    total = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence >= low) & (confidence < low + 1 / 15)
        if inside.any():
            off = abs(confidence[inside].mean() - correct[inside].mean())
            total += off * inside.sum() / len(confidence)
    return total


def test_the_error_is_that_of_the_definition() -> None:
    draws = torch.Generator().manual_seed(0)
    confidence = torch.rand(4000, generator=draws, dtype=torch.float64)
    for power in (1, 3):
        correct = torch.rand(4000, generator=draws) < confidence**power
        values, valid, _ = gaps(confidence, correct)
        found = float(pose_errors.expected_calibration_error(values, valid))
        assert found == pytest.approx(slow_ece(confidence.numpy(), correct.numpy()), abs=1e-9)
        assert (found < 0.04) == (power == 1)
        mean, share, count = reliability_bins(gaps(confidence, correct))
        assert count.sum() == 4000
        assert torch.allclose(mean, (torch.arange(15).double() + 0.5) / 15, atol=0.01)
        assert (share - mean**power).abs().max() < 0.15


def test_perfect_confidence_has_no_error_and_its_opposite_the_greatest() -> None:
    correct = torch.arange(100) < 60
    for confidence, expected in ((correct.double(), 0.0), ((~correct).double(), 1.0)):
        values, valid, _ = gaps(confidence, correct)
        assert float(pose_errors.expected_calibration_error(values, valid)) == expected


def test_the_ratio_is_of_the_hands_in_the_order_of_their_confidence(
    evaluation: Evaluation,
) -> None:
    values, valid, _ = joint_errors.in_boxes(evaluation)
    hand = [float(v[w].mean()) for v, w in zip(values, valid, strict=True)]
    half = len(hand) // 2
    expected = np.mean(hand[:half]) / np.mean(hand[half:])
    assert summarise(evaluation)["confident_half_error_ratio"] == pytest.approx(expected)
    turned = evaluation._replace(hand_confidence=evaluation.hand_confidence.flip(0))
    rest = len(hand) - half
    other = np.mean(hand[rest:]) / np.mean(hand[:rest])
    assert summarise(turned)["confident_half_error_ratio"] == pytest.approx(other)


def test_without_confidence_there_is_no_figure_and_a_reason(evaluation: Evaluation) -> None:
    assert draw_reliability(evaluation) is not None
    without = evaluation._replace(confidence=evaluation.confidence[:, :0])
    assert draw_reliability(without) is None
    results = summarise(without)
    for name in ("confidence_ece", "hand_confidence_ece", "confident_half_error_ratio"):
        assert results[name] is None
        assert "from before confidences" in results[f"{name}_reason"]
