"""Metrics against a direct transcription of FreiHAND's evaluation code, with missing joints."""

import numpy as np
import pytest
import torch

from handpose.evaluation import pose_errors


def _official(errors: np.ndarray, valid: np.ndarray, maximum: float) -> tuple[float, ...]:
    """`EvalUtil.get_measures`: (mean EPE, its median, AUC), joint by joint; errors (N, J)."""
    thresholds = np.linspace(0.0, maximum, 100)
    means, medians, aucs = [], [], []
    for joint in range(errors.shape[1]):
        data = errors[valid[:, joint], joint]
        if len(data) == 0:
            continue
        means.append(np.mean(data))
        medians.append(np.median(data))
        curve = np.array([np.mean((data <= t).astype("float")) for t in thresholds])
        aucs.append(np.trapezoid(curve, thresholds) / np.trapezoid(np.ones(100), thresholds))
    return float(np.mean(means)), float(np.mean(medians)), float(np.mean(aucs))


def test_epe_and_auc_equal_the_official_definitions(rng: np.random.Generator) -> None:
    errors = rng.exponential(20, size=(60, 21))
    valid = rng.random((60, 21)) < 0.7
    valid[:, 4] = False
    epe, median, auc = _official(errors, valid, 50.0)
    errors[~valid] = np.nan
    found, mask = torch.from_numpy(errors), torch.from_numpy(valid)
    assert float(pose_errors.mean_over_joints(found, mask)) == pytest.approx(epe, abs=1e-6)
    assert float(pose_errors.auc(found, mask)) == pytest.approx(auc, abs=1e-6)
    assert float(pose_errors.median(found, mask)) == pytest.approx(median, abs=1e-6)
    pooled = found[mask]  # over all joints at once: other numbers
    assert abs(float(pooled.mean()) - epe) > 1e-3
    assert abs(float(pooled.quantile(0.5)) - median) > 1e-3


def test_threshold_is_inclusive() -> None:
    valid = torch.ones(1, 1, dtype=torch.bool)
    curve = pose_errors.pck_curve(torch.zeros(1, 1), valid, torch.tensor([0.0, 1.0]))
    assert curve.tolist() == [1, 1]


def test_all_zero_predictions_have_a_defined_aligned_error(rng: np.random.Generator) -> None:
    true = torch.from_numpy(rng.normal(size=(5, 21, 3)))
    valid = torch.ones(5, 21, dtype=torch.bool)
    errors = pose_errors.aligned_joint_errors(torch.zeros_like(true), true, valid)
    expected = (true - true.mean(1, keepdim=True)).norm(dim=-1)
    assert torch.allclose(errors, expected)


def test_no_labelled_joint_gives_nan_not_a_number() -> None:
    nothing = torch.zeros(3, 21, dtype=torch.bool)
    for metric in (pose_errors.mean_over_joints, pose_errors.median, pose_errors.auc):
        assert torch.isnan(metric(torch.zeros(3, 21), nothing))


def _official_alignment(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """`align_w_scale` of FreiHAND's eval.py, step by step; `predicted` onto `true`, each (J, 3)."""
    shift, a, b = true.mean(0), true - true.mean(0), predicted - predicted.mean(0)
    size = np.linalg.norm(a) + 1e-8
    a, b = a / size, b / (np.linalg.norm(b) + 1e-8)
    u, singular, vt = np.linalg.svd(b.T @ a)  # scipy's orthogonal_procrustes(a, b), transposed
    return (b @ (u @ vt)) * singular.sum() * size + shift


def test_alignment_with_reflection_is_the_official_one(rng: np.random.Generator) -> None:
    true, predicted = rng.normal(size=(2, 8, 21, 3))
    valid = torch.ones(8, 21, dtype=torch.bool)
    found = pose_errors.aligned_joint_errors(
        torch.from_numpy(predicted), torch.from_numpy(true), valid, reflection=True
    )
    for row in range(8):
        aligned = _official_alignment(true[row], predicted[row])
        expected = np.linalg.norm(aligned - true[row], axis=1)
        assert np.allclose(found[row].numpy(), expected, atol=1e-6)


def test_a_mirrored_prediction_has_an_error_unless_reflection_is_permitted(
    rng: np.random.Generator,
) -> None:
    """The least mean square after a proper rotation is 4 l3 (l1 + l2) / (l1 + l2 + l3), with
    l1 >= l2 >= l3 the eigenvalues of the hand's covariance: Umeyama's eq. 39 and 33.
    """
    true = torch.from_numpy(rng.normal(size=(5, 21, 3)) * [50, 30, 12])
    valid = torch.ones(5, 21, dtype=torch.bool)
    mirrored = 0.3 * true * torch.tensor([-1.0, 1.0, 1.0]) + 7
    errors = pose_errors.aligned_joint_errors(mirrored, true, valid)
    centred = true - true.mean(1, keepdim=True)
    l3, l2, l1 = torch.linalg.eigvalsh(centred.transpose(1, 2) @ centred / 21).unbind(1)
    assert torch.allclose(errors.square().mean(1), 4 * l3 * (l1 + l2) / (l1 + l2 + l3))
    permitted = pose_errors.aligned_joint_errors(mirrored, true, valid, reflection=True)
    assert float(permitted.max()) < 1e-9 < 5 < float(errors.mean())


@pytest.mark.parametrize("reflection", [False, True])
def test_degenerate_alignments_have_their_numbers(
    rng: np.random.Generator, reflection: bool
) -> None:
    true = torch.from_numpy(rng.normal(size=(4, 21, 3)))
    valid = torch.ones(4, 21, dtype=torch.bool)
    to_mean = (true - true.mean(1, keepdim=True)).norm(dim=-1)
    nothing = torch.zeros_like(true)
    errors = pose_errors.aligned_joint_errors(nothing, true, valid, reflection=reflection)
    assert torch.allclose(errors, to_mean)
    single = torch.zeros_like(valid)
    single[:, 4] = True
    for predicted in (nothing, torch.from_numpy(rng.normal(size=(4, 21, 3)))):
        errors = pose_errors.aligned_joint_errors(predicted, true, single, reflection=reflection)
        assert errors.isfinite().all()
        assert float(errors[single].max()) < 1e-9  # one joint is moved onto its place
