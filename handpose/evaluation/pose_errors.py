"""Errors of joints and their means, PCK and AUC. N samples, J = 21 joints, errors in any unit.

As FreiHAND's evaluation code: EPE is the mean over joints of the mean over samples, and its median
the mean over joints of the median over samples. PCK counts errors <= threshold at 100 thresholds
from 0 to 50 mm, averaged over joints. AUC is its area by the trapezoid rule, divided by the range.
Unlabelled joints do not count. Without any labelled joint the result is NaN.

`valid` (N, J) bool are the labelled joints.
"""

import torch
from torch import Tensor

from handpose.geometry.align import LEAST_TO_ALIGN, procrustes

PCK_MAX_MM = 50.0
PCK_STEPS = 100
ECE_BINS = 15  # of equal width


def joint_errors(predicted: Tensor, true: Tensor) -> Tensor:
    """Computes the Euclidean distance of each joint.

    Args:
        predicted: (N, J, D).
        true: (N, J, D).

    Returns:
        (N, J).
    """
    return (predicted - true).norm(dim=-1)


def alignable(valid: Tensor) -> Tensor:
    """Leaves out hands with fewer than three labelled joints, which have no aligned error."""
    return valid & (valid.sum(1, keepdim=True) >= LEAST_TO_ALIGN)


def aligned_joint_errors(
    predicted: Tensor, true: Tensor, valid: Tensor, *, reflection: bool = False
) -> Tensor:
    """Computes the errors after each prediction is aligned to the truth by a similarity (PA).

    Args:
        predicted: (N, J, 3).
        true: (N, J, 3).
        valid: (N, J) bool, the joints that align.
        reflection: False for the usual PA-MPJPE. True for FreiHAND's own alignment, which takes
            the orthogonal matrix that fits best.

    Returns:
        (N, J).
    """
    aligned = procrustes(predicted, true, valid, reflection=reflection).apply(predicted)
    return joint_errors(aligned, true)


def mean_over_joints(values: Tensor, valid: Tensor) -> Tensor:
    """Returns the mean over joints of the mean over samples, ().

    Args:
        values: (N, J).
        valid: (N, J) bool.
    """
    count = valid.sum(0)
    per_joint = torch.where(valid, values, 0.0).sum(0) / count
    return per_joint[count > 0].mean()


def median(errors: Tensor, valid: Tensor) -> Tensor:
    """Returns the mean over joints of the median over samples, ().

    Args:
        errors: (N, J).
        valid: (N, J) bool.
    """
    columns = [errors[labelled, j] for j, labelled in enumerate(valid.T) if labelled.any()]
    if not columns:
        return errors.new_tensor(torch.nan)
    return torch.stack([column.quantile(0.5) for column in columns]).mean()


def pck_thresholds(maximum: float = PCK_MAX_MM) -> Tensor:
    """Returns the official thresholds, linspace(0, maximum, 100), float64."""
    return torch.linspace(0, maximum, PCK_STEPS, dtype=torch.float64)


def pck_curve(errors: Tensor, valid: Tensor, thresholds: Tensor) -> Tensor:
    """Returns the share of errors <= each threshold, averaged over joints.

    Args:
        errors: (N, J).
        valid: (N, J) bool.
        thresholds: (T,).

    Returns:
        (T,) in 0..1.
    """
    return torch.stack(
        [mean_over_joints((errors <= limit).to(errors.dtype), valid) for limit in thresholds]
    )


def auc(errors: Tensor, valid: Tensor, *, maximum: float = PCK_MAX_MM) -> Tensor:
    """Returns the area under `pck_curve`, () in 0..1.

    Args:
        errors: (N, J).
        valid: (N, J) bool.
        maximum: end of the range, from 0.
    """
    thresholds = pck_thresholds(maximum)
    return torch.trapezoid(pck_curve(errors, valid, thresholds), thresholds) / maximum


def mean_of_hands(errors: Tensor, valid: Tensor) -> Tensor:
    """Returns the mean error of each hand's labelled joints, (N,); 0 without any.

    Args:
        errors: (N, J).
        valid: (N, J) bool.
    """
    return torch.where(valid, errors, 0.0).sum(1) / valid.sum(1).clamp(min=1)


def expected_calibration_error(gaps: Tensor, valid: Tensor) -> Tensor:
    """Returns the expected calibration error, () in 0..1; NaN without any value.

    Sum over `ECE_BINS` of |sum of the gaps| / N (Guo et al., ICML 2017, arXiv 1706.04599, eq. 3).

    Args:
        gaps: (N, J) confidence minus 1 if correct.
        valid: (N, J) bool.
    """
    gap = gaps[valid]
    # A gap below 0 is of a correct joint; one of 0 adds nothing, whatever its bin.
    confidence = torch.where(gap < 0, gap + 1, gap)
    of_bin = (confidence * ECE_BINS).long().clamp(0, ECE_BINS - 1)
    return gap.new_zeros(ECE_BINS).index_add(0, of_bin, gap).abs().sum() / len(gap)


def first_half_ratio(errors: Tensor, valid: Tensor) -> Tensor:
    """Returns the mean error of the first half of the labelled hands over that of the others, ().

    Args:
        errors: (N, J).
        valid: (N, J) bool.
    """
    hand = mean_of_hands(errors, valid)[valid.any(1)]
    half = len(hand) // 2
    return hand[:half].mean() / hand[half:].mean()
