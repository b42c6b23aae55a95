"""The closed form against the normal equations, and leaving one out against leaving one out."""

import pytest
import torch
from torch import Tensor

from handpose.evaluation.ridge import PENALTIES, fit_ridge


def _slow(features: Tensor, targets: Tensor, penalty: float) -> Tensor:
    """Ridge with a constant that is not penalised, as the normal equations of [x, 1]. (E + 1, D)"""
    design = torch.cat((features, features.new_ones(len(features), 1)), dim=1)
    shrink = torch.diag(features.new_tensor([penalty] * features.shape[1] + [0.0]))
    return torch.linalg.solve(design.T @ design + shrink, design.T @ targets)


def test_left_out_samples_are_predicted_by_the_others_alone() -> None:
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(12, 5, generator=draw, dtype=torch.float64) + 3
    targets = features[:, :2] ** 2 + torch.randn(12, 2, generator=draw)
    ridge = fit_ridge(features @ features.T, targets)
    centred = features - features.mean(0)
    unit = float(torch.linalg.eigvalsh(centred @ centred.T).mean())

    errors = []
    for penalty in PENALTIES:
        left_out = torch.empty_like(targets)
        for row in range(len(features)):
            others = torch.arange(len(features)) != row
            weights = _slow(features[others], targets[others], penalty * unit)
            left_out[row] = features[row] @ weights[:-1] + weights[-1]
        errors.append(float((left_out - targets).square().sum()))
        if penalty == ridge.penalty:
            torch.testing.assert_close(ridge.left_out, left_out)
    assert errors.index(min(errors)) == PENALTIES.index(ridge.penalty)

    weights = _slow(features, targets, ridge.penalty * unit)
    new = torch.randn(4, 5, generator=draw, dtype=torch.float64)
    predicted = (new - features.mean(0)) @ (centred.T @ ridge.dual) + ridge.mean
    torch.testing.assert_close(predicted, new @ weights[:-1] + weights[-1])


def test_samples_that_are_all_alike_predict_the_mean() -> None:
    targets = torch.tensor([[0.0], [1.0], [5.0]])
    ridge = fit_ridge(torch.ones(3, 3), targets)
    assert ridge.left_out.flatten().tolist() == pytest.approx([3.0, 2.5, 0.5])
