"""The official metrics: tensors in, tensors out. N samples, J = 21 joints, errors in any one unit.

FreiHAND's evaluation code: EPE is the mean over joints of the mean over samples, its median that of
the median over samples; PCK counts errors <= threshold at 100 thresholds from 0 to 50 mm, averaged
over joints; AUC is its area by the trapezoid rule, divided by the range. Unlabelled joints enter
none of them; without any labelled joint the result is NaN, which the report turns into null with
its reason.
"""

import torch
from torch import Tensor

from handpose.geometry.align import LEAST_TO_ALIGN, procrustes

PCK_MAX_MM = 50.0
PCK_STEPS = 100


def joint_errors(predicted: Tensor, true: Tensor) -> Tensor:
    """Euclidean distance of each joint: (N, J, D), (N, J, D) -> (N, J)."""
    return (predicted - true).norm(dim=-1)


def alignable(valid: Tensor) -> Tensor:
    """`valid` (N, J) without the hands of fewer than three joints, which have no aligned error."""
    return valid & (valid.sum(1, keepdim=True) >= LEAST_TO_ALIGN)


def aligned_joint_errors(
    predicted: Tensor, true: Tensor, valid: Tensor, *, reflection: bool = False
) -> Tensor:
    """Errors (N, J) after each prediction is aligned to the truth by a similarity (PA).

    `reflection=False` is the usual PA-MPJPE; `True` is FreiHAND's own alignment, which takes
    whatever orthogonal matrix fits best. `valid` (N, J) are the labelled joints, which alone align.
    """
    aligned = procrustes(predicted, true, valid, reflection=reflection).apply(predicted)
    return joint_errors(aligned, true)


def mean_over_joints(values: Tensor, valid: Tensor) -> Tensor:
    """The mean over joints of the mean over samples of `values` (N, J), where `valid`. ()"""
    count = valid.sum(0)
    per_joint = torch.where(valid, values, 0.0).sum(0) / count
    return per_joint[count > 0].mean()


def median(errors: Tensor, valid: Tensor) -> Tensor:
    """The mean over joints of the median over samples of `errors` (N, J), where `valid`. ()"""
    columns = [errors[labelled, j] for j, labelled in enumerate(valid.T) if labelled.any()]
    if not columns:
        return errors.new_tensor(torch.nan)
    return torch.stack([column.quantile(0.5) for column in columns]).mean()


def pck_thresholds(maximum: float = PCK_MAX_MM) -> Tensor:
    """The official thresholds: linspace(0, maximum, 100), float64."""
    return torch.linspace(0, maximum, PCK_STEPS, dtype=torch.float64)


def pck_curve(errors: Tensor, valid: Tensor, thresholds: Tensor) -> Tensor:
    """The share of labelled errors (N, J) <= each threshold (T,), averaged over joints. (T,)"""
    return torch.stack(
        [mean_over_joints((errors <= limit).to(errors.dtype), valid) for limit in thresholds]
    )


def auc(errors: Tensor, valid: Tensor, *, maximum: float = PCK_MAX_MM) -> Tensor:
    """Area under `pck_curve` from 0 to `maximum`, as a share of that range. () in 0..1"""
    thresholds = pck_thresholds(maximum)
    return torch.trapezoid(pck_curve(errors, valid, thresholds), thresholds) / maximum
