"""The table of the hands with the largest errors."""

import numpy as np
import torch

from handpose.data.base import HandDataset
from handpose.evaluation.evaluation import Evaluation
from handpose.geometry import affine as maps
from handpose.loggers.base import CellValue, LoggedImage, Table
from handpose.loggers.overlays import PREDICTION, TRUTH
from handpose.report.predictions import sample_errors
from handpose.report.skeletons import enlarge

_MOST = 16  # rows
_SIDE = 256  # px of an image


def worst_samples(
    evaluation: Evaluation, dataset: HandDataset, *, most: int = _MOST
) -> Table | None:
    """Return a row for each of the hands with the largest errors, the worst first.

    The error is the aligned one in mm, or that in 2D in px if no hand is labelled in 3D.

    Args:
        evaluation: predictions and truth.
        dataset: the source, unaugmented.
        most: rows, at most.

    Returns:
        The columns image, error, key, side and confidence; None if no hand has an error.
    """
    errors = sample_errors(evaluation)
    order = errors.nan_to_num(-1.0).argsort(descending=True, stable=True)
    rows = [row for row in order.tolist() if errors[row].isfinite()][:most]
    if not rows:
        return None
    unit = "aligned_error_mm" if evaluation.pa_valid.any() else "error_2d_px"
    columns = ("image", unit, "key", "side", "confidence")
    return Table(columns, tuple(_row(evaluation, dataset, row, errors[row]) for row in rows))


def _row(
    e: Evaluation, dataset: HandDataset, row: int, error: torch.Tensor
) -> tuple[CellValue, ...]:
    sample = dataset[int(e.index[row])]
    side = "left" if e.is_left[row] else "right"
    confidence = float(e.hand_confidence[row]) if e.confidence.shape[1] else None
    image = _image(e, row, sample.image, f"{sample.key}, {side}")
    return image, float(error), sample.key, side, confidence


def _image(e: Evaluation, row: int, image: np.ndarray, caption: str) -> LoggedImage:
    uv, true, valid = (field[row].numpy() for field in (e.uv, e.true_uv, e.uv_valid))
    square, to_square = enlarge(image, true[valid], size=_SIDE)
    true = np.where(valid[:, None], true, np.nan)
    skeletons = {PREDICTION: maps.apply(to_square, uv), TRUTH: maps.apply(to_square, true)}
    return LoggedImage(square, caption, skeletons)
