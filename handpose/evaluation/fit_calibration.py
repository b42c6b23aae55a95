"""Fits a `Calibration` to validation hands. N hands, M images without one, F inputs, J = 21.

Ridge regressions in closed form predict the log errors and whether there is a hand. Two numbers for
each then scale the log odds (Platt, Advances in Large Margin Classifiers, 1999). These numbers are
fitted to leave-one-out predictions, so the same hands serve for both.
"""

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from handpose.evaluation.pose_errors import mean_of_hands
from handpose.evaluation.ridge import Ridge, fit_ridge
from handpose.heads.calibration import (
    CORRECT_WITHIN,
    Calibration,
    margins,
    rescaled,
    standardised,
)

LEAST_HANDS = 50  # validation hands labelled in 2D; fewer say too little
_LEAST_ERROR = 1e-4  # of a joint in sides of the box, before its logarithm
_LEAST_SPREAD = 1e-6
_MOST_ODDS = 30.0  # logarithm


def fit_calibration(hands: Tensor, errors: Tensor, valid: Tensor, others: Tensor) -> Calibration:
    """Fits all numbers of a calibration.

    Args:
        hands: (N, F) inputs (see `heads.calibration.describe`) of hands.
        errors: (N, J) of their joints in 2D, in sides of the box.
        valid: (N, J) bool, at least one joint of each hand.
        others: (M, F) inputs of images without a hand.
    """
    hands, errors, others = hands.double(), errors.double(), others.double()
    mean, spread = hands.mean(0), hands.std(0).clamp(min=_LEAST_SPREAD)
    hands, others = (standardised(inputs, mean, spread) for inputs in (hands, others))
    everything = torch.cat((hands, others))
    is_hand = torch.arange(len(everything)) < len(hands)
    of_errors = fit_ridge(hands @ hands.T, _filled_log(errors, valid))
    of_hands = fit_ridge(everything @ everything.T, 2.0 * is_hand[:, None] - 1)
    present = _fit_presence(of_hands.left_out[:, 0], is_hand)
    is_there = rescaled(of_hands.left_out[: len(hands), 0], present).sigmoid()
    joint, hand = margins(of_errors.left_out)
    correct = errors <= CORRECT_WITHIN
    is_correct = mean_of_hands(errors, valid) <= CORRECT_WITHIN
    layers = [_layer(hands, of_errors), _layer(everything, of_hands)]
    return Calibration(
        mean=mean,
        spread=spread,
        weight=torch.cat([weight for weight, _ in layers], dim=1),
        bias=torch.cat([bias for _, bias in layers]),
        present=present,
        joint=fit_line(joint[valid], correct[valid], is_there[:, None].expand_as(valid)[valid]),
        hand=fit_line(hand, is_correct, is_there),
    )


def _filled_log(errors: Tensor, valid: Tensor) -> Tensor:
    """(N, J) log errors; an unlabelled joint has its mean over the other hands."""
    logs = torch.where(valid, errors, 1.0).clamp(min=_LEAST_ERROR).log()
    mean = logs.sum(0) / valid.sum(0).clamp(min=1)  # the log of an unlabelled joint is 0
    return torch.where(valid, logs, mean)


def _layer(inputs: Tensor, fit: Ridge) -> tuple[Tensor, Tensor]:
    """The weight (F, D) and bias (D,) of a fit in the inputs (N, F)."""
    weight = inputs.T @ fit.dual
    return weight, fit.mean - inputs.mean(0) @ weight


def _fit_presence(score: Tensor, is_hand: Tensor) -> Tensor:
    """(2,) slope and offset from scores (N + M,) to the log odds of a hand; even odds before."""
    weight = torch.where(is_hand, 0.5 / is_hand.sum(), 0.5 / (~is_hand).sum())
    return fit_line(score, is_hand, weight=weight.double())


def fit_line(
    value: Tensor,
    is_correct: Tensor,
    present: Tensor | None = None,
    *,
    weight: Tensor | None = None,
) -> Tensor:
    """Fits a slope of at least 0 and an offset from values to log odds, as Platt does.

    Args:
        value: (N,).
        is_correct: (N,) bool.
        present: (N,) probability to multiply by; None for 1.
        weight: (N,) of each value; None for equal ones.

    Returns:
        (2,) slope and offset.
    """
    x, hit = value.double().numpy(), is_correct.numpy()
    positives, negatives = hit.sum(), (~hit).sum()
    target = np.where(hit, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    factor = np.ones(len(x)) if present is None else present.double().numpy()
    share = np.full(len(x), 1 / len(x)) if weight is None else weight.numpy()

    def loss(line: np.ndarray) -> float:
        odds = np.clip(line[0] * x + line[1], -_MOST_ODDS, _MOST_ODDS)
        chance = factor / (1 + np.exp(-odds))
        miss = np.maximum(1 - chance, np.exp(-_MOST_ODDS))
        return float(-share @ (target * np.log(chance) + (1 - target) * np.log(miss)))

    found = minimize(loss, np.array([1.0, 0.0]), bounds=[(0, None), (None, None)])
    return torch.from_numpy(found.x)
