"""Reads 2D joints found by a detector. N samples, J = 21 joints.

`joint_places` describes the files. Joints are in the order of `handpose.skeleton`, left hands as
left hands.
"""

import logging
from collections import Counter
from pathlib import Path

import numpy as np

from handpose.data.base import HandDataset
from handpose.data.index.label_tables import table_rows
from handpose.data.index.problems import ProblemList, as_lines
from handpose.data.positives.joint_places import find_table
from handpose.data.sources.manifest import ROW_FORMAT, read_points
from handpose.files import LARGEST_STREAM, regular
from handpose.skeleton import NUM_JOINTS

_log = logging.getLogger(__name__)


def read_predictions(place: str, source: HandDataset) -> tuple[np.ndarray, np.ndarray]:
    """Read a detector's joints of a split.

    Args:
        place: folder or table of the joints, see `joint_places`.
        source: the split; if its samples are capped, the first rows of an array are used.

    Returns:
        uv (N, J, 2) float32 px, and which joints were found (N, J) bool.

    Raises:
        ValueError: a file cannot be read, has another shape, holds joints that are not numbers, or
            has no row for a sample; names it and the row.
    """
    table = find_table(place)
    return _read_array(place, source) if table is None else _read_table(place, table, source)


def _read_table(place: str, table: Path, source: HandDataset) -> tuple[np.ndarray, np.ndarray]:
    where, rows = f"pretrain.mining.joints={place}: {table.name}", _rows_by_name(source)
    uv = np.zeros((len(source), NUM_JOINTS, 2), dtype=np.float32)
    found = np.zeros(uv.shape[:2], dtype=bool)
    has_row = np.zeros(len(uv), dtype=bool)
    bad, hands = ProblemList(), Counter[str]()
    for record, row in table_rows(bad, table, table.name, ROW_FORMAT):
        with bad.record(record):
            image = row["image"]
            name, hands[image] = f"{image}#{hands[image]}", hands[image] + 1
            if (sample := rows.get(name)) is not None:
                has_row[sample] = True
                uv[sample], found[sample] = _joints(row.get("uv"))
    if problems := bad.fatal + bad.problems:
        raise ValueError(f"{where} cannot be used:\n{as_lines(problems)}")
    _refuse_missing_rows(has_row, source, where)
    _log.info(
        "%s: %d rows, %d of them of %s, %s",
        table,
        hands.total(),
        len(uv),
        source.name,
        source.split,
    )
    return uv, found


def _rows_by_name(source: HandDataset) -> dict[str, int]:
    """Return {"image#hand": sample}; in a mix, images begin with their source's name."""
    prefix = f"{source.name}/" if len(source.strata) == 1 else ""
    return {key.removeprefix(prefix): sample for sample, key in enumerate(source.sample_keys())}


def _joints(value: object) -> tuple[np.ndarray, np.ndarray]:
    """Return joints (J, 2) px, 0 where not found, and which were found (J,)."""
    points, labelled = read_points(value, 2)
    if points is None or labelled is None:
        return np.zeros((NUM_JOINTS, 2)), np.zeros(NUM_JOINTS, dtype=bool)
    if not np.isfinite(points[labelled]).all():
        raise ValueError("uv is NaN or infinite; use null for a joint that was not found")
    return np.where(labelled[:, None], points, 0.0), labelled


def _refuse_missing_rows(has_row: np.ndarray, source: HandDataset, where: str) -> None:
    missing = np.flatnonzero(~has_row)
    if len(missing):
        first = source.sample_keys()[missing[0]]
        raise ValueError(
            f"{where} has no row for {len(missing)} of the {len(has_row)} samples of "
            f"{source.name}, {source.split}; the first is {first}. Give each "
            "hand a row, with uv null if it was not found. The image of a row is its path below "
            "the dataset's root, in a mix after the source's name"
        )


def _read_array(folder: str, source: HandDataset) -> tuple[np.ndarray, np.ndarray]:
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
