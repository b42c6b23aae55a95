"""Ridge regression in closed form, with the penalty chosen by leave-one-out. N samples, D targets.

Only the Gram matrix of the samples is needed, so a kernel works as well as features.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# Penalties to choose from, in units of the mean eigenvalue of the centred Gram matrix.
PENALTIES = tuple(10.0**power for power in range(-6, 3))


class Ridge(NamedTuple):
    """A fit. For a sample with inner products k (N,) it predicts (k - mean of k) @ dual + mean.

    The features must be centred.
    """

    dual: Tensor  # (N, D)
    mean: Tensor  # (D,)
    left_out: Tensor  # (N, D): the prediction for each sample from the N - 1 others
    penalty: float  # the chosen one, in the units of PENALTIES


def fit_ridge(gram: Tensor, targets: Tensor) -> Ridge:
    """Minimises |targets - f|^2 + penalty |f|^2 in float64. The constant in f is not penalised.

    With the hat matrix H, the leave-one-out residual of a sample is exactly r_i / (1 - H_ii)
    (PRESS: Allen, Technometrics 1974; Hastie et al., The Elements of Statistical Learning, eq.
    7.64). The penalty with the smallest sum of their squares is chosen.

    Args:
        gram: (N, N) inner products of the samples, centred here.
        targets: (N, D).
    """
    gram, targets = gram.double(), targets.double()
    count, mean = len(gram), targets.mean(0)
    centred = gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()
    values, vectors = torch.linalg.eigh(centred)
    values = values.clamp(min=0)
    unit = float(values.mean()) or 1.0  # any value works if all samples are equal
    rotated = vectors.T @ (targets - mean)
    fits = []
    for penalty in PENALTIES:
        shrunk = values / (values + penalty * unit)
        kept = 1 - 1 / count - vectors.square() @ shrunk
        residual = targets - mean - vectors @ (shrunk[:, None] * rotated)
        left_out = targets - residual / kept.clamp(min=1e-12)[:, None]
        dual = vectors @ (rotated / (values + penalty * unit)[:, None])
        fits.append(Ridge(dual, mean, left_out, penalty))
    return min(fits, key=lambda fit: float((fit.left_out - targets).square().sum()))
