"""Which test samples the report draws. N samples, J = 21 joints."""

import numpy as np
import torch
from torch import Tensor

from handpose.data.base import HandDataset
from handpose.evaluation.evaluation import Evaluation, errors_in_2d, pa_errors
from handpose.skeleton import NUM_JOINTS

# An alignment of few joints fits whatever was predicted, so such hands are no example of anything.
_ENOUGH_JOINTS = NUM_JOINTS // 2


def samples_to_draw(evaluation: Evaluation, *, each: int = 4) -> dict[str, list[int]]:
    """Rows of the evaluation: "best" and "worst" (the extreme one first) and "median".

    By the aligned 3D error, or by the 2D error where no sample is labelled in 3D. No row is taken
    twice while there are three or more.
    """
    errors = sample_errors(evaluation)
    order = errors.argsort(stable=True)[: int(errors.isfinite().sum())].tolist()
    count = min(each, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    return {
        "best": order[:count],
        "median": order[middle : middle + count],
        "worst": order[::-1][:count],
    }


def images_to_draw(evaluation: Evaluation, dataset: HandDataset) -> dict[int, np.ndarray]:
    """The source images (H, W, 3) of the samples to draw, by their place in `dataset`."""
    rows = [row for chosen in samples_to_draw(evaluation).values() for row in chosen]
    places = [int(evaluation.index[row]) for row in rows]
    return {place: dataset[place].image for place in places}


def sample_errors(evaluation: Evaluation) -> Tensor:
    """The error by which samples are ranked (N,), NaN for those without labels for it."""
    if evaluation.pa_valid.any():
        return mean_over_hand(pa_errors(evaluation), evaluation.pa_valid)
    return mean_over_hand(errors_in_2d(evaluation), evaluation.uv_valid)


def mean_over_hand(errors: Tensor, valid: Tensor) -> Tensor:
    """Each sample's mean over its labelled joints (N, J) -> (N,), NaN for too few of them.

    Where no sample has enough, one joint is.
    """
    count = valid.sum(1)
    needed = min(_ENOUGH_JOINTS, max(int(count.max()), 1)) if len(count) else 1
    mean = torch.where(valid, errors, 0.0).sum(1) / count
    return torch.where(count >= needed, mean, torch.nan)
