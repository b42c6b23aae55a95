"""Reads 2D joints found by a detector. N samples, J = 21 joints.

    FOLDER/train.npy, FOLDER/val.npy    a row for each sample of the split, in the dataset's order:
                                        (N, 21, 2) u, v in px of the source image, or
                                        (N, 21, 3) with a confidence, 0 if not found

Joints are in the order of `handpose.skeleton`, left hands as left hands.
"""

from pathlib import Path

import numpy as np

from handpose.data.base import HandDataset
from handpose.files import LARGEST_STREAM, regular
from handpose.skeleton import NUM_JOINTS


def read_predictions(folder: str, source: HandDataset) -> tuple[np.ndarray, np.ndarray]:
    """Read a detector's joints of a split.

    Args:
        folder: of the files.
        source: the split; if its samples are capped, the first rows are used.

    Returns:
        uv (N, J, 2) float32 px, and which joints were found (N, J) bool.

    Raises:
        ValueError: the file cannot be read, has another shape, or holds joints that are not
            numbers; names it and the row.
    """
    file = Path(folder) / f"{source.split}.npy"
    where = f"pretrain.mining.joints={folder}: {file.name}"
    try:
        array = np.load(regular(file, most=LARGEST_STREAM), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{where} cannot be read as an array of numbers ({error})") from error
    _refuse_other_shapes(array, source, where)
    array = array[: len(source)].astype(np.float32)
    uv, found = array[..., :2], np.ones(array.shape[:2], dtype=bool)
    if array.shape[2] == 3:
        _refuse(~(array[..., 2] >= 0), f"{where} has a confidence below 0 or NaN")
        found = array[..., 2] > 0
    _refuse(
        found & ~np.isfinite(uv).all(axis=2),
        f"{where} has joints that are NaN or infinite; give them the confidence 0, in an array "
        f"(N, {NUM_JOINTS}, 3)",
    )
    return np.where(found[..., None], uv, np.float32(0)), found


def _refuse_other_shapes(array: np.ndarray, source: HandDataset, where: str) -> None:
    """Refuse a wrong shape; a capped split uses the first rows, except in a mix."""
    is_capped = source.max_samples is not None and len(source.strata) == 1
    rows = len(array) if is_capped and array.ndim and len(array) > len(source) else len(source)
    shapes = [(rows, NUM_JOINTS, width) for width in (2, 3)]
    if array.shape not in shapes or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{where} is {array.shape} of {array.dtype}; expected are numbers, {shapes[0]} or "
            f"{shapes[1]}: one row for each of the {len(source)} samples of {source.name}"
        )


def _refuse(bad: np.ndarray, message: str) -> None:
    """Name the first row with something bad (N, J)."""
    if bad.any():
        raise ValueError(f"{message} (row {int(bad.any(axis=1).argmax())} first)")
