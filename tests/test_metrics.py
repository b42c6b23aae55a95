"""Metrics against a direct transcription of FreiHAND's evaluation code, with missing joints."""

import numpy as np
import pytest
import torch

from handpose import metrics


def _official(errors: np.ndarray, valid: np.ndarray, maximum: float) -> tuple[float, float]:
    """`EvalUtil.get_measures`: (mean EPE, AUC), joint by joint; errors (N, J)."""
    thresholds = np.linspace(0.0, maximum, 100)
    means, aucs = [], []
    for joint in range(errors.shape[1]):
        data = errors[valid[:, joint], joint]
        if len(data) == 0:
            continue
        means.append(np.mean(data))
        curve = np.array([np.mean((data <= t).astype("float")) for t in thresholds])
        aucs.append(np.trapezoid(curve, thresholds) / np.trapezoid(np.ones(100), thresholds))
    return float(np.mean(means)), float(np.mean(aucs))


def test_epe_and_auc_equal_the_official_definitions(rng: np.random.Generator) -> None:
    errors = rng.exponential(20, size=(60, 21))
    valid = rng.random((60, 21)) < 0.7
    valid[:, 4] = False
    epe, auc = _official(errors, valid, 50.0)
    errors[~valid] = np.nan
    found, mask = torch.from_numpy(errors), torch.from_numpy(valid)
    assert float(metrics.mean_over_joints(found, mask)) == pytest.approx(epe, abs=1e-6)
    assert float(metrics.auc(found, mask)) == pytest.approx(auc, abs=1e-6)
    pooled = float(found[mask].mean())
    assert abs(pooled - epe) > 1e-3  # a mean over all joints at once is another number


def test_threshold_is_inclusive() -> None:
    valid = torch.ones(1, 1, dtype=torch.bool)
    curve = metrics.pck_curve(torch.zeros(1, 1), valid, torch.tensor([0.0, 1.0]))
    assert curve.tolist() == [1, 1]


def test_all_zero_predictions_have_a_defined_aligned_error(rng: np.random.Generator) -> None:
    true = torch.from_numpy(rng.normal(size=(5, 21, 3)))
    valid = torch.ones(5, 21, dtype=torch.bool)
    errors = metrics.aligned_joint_errors(torch.zeros_like(true), true, valid)
    expected = (true - true.mean(1, keepdim=True)).norm(dim=-1)
    assert torch.allclose(errors, expected)


def test_no_labelled_joint_gives_nan_not_a_number() -> None:
    nothing = torch.zeros(3, 21, dtype=torch.bool)
    for metric in (metrics.mean_over_joints, metrics.median, metrics.auc):
        assert torch.isnan(metric(torch.zeros(3, 21), nothing))
