"""The list of boxes beside a folder of pictures: which hands there are, by row."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.data.index.annotation import as_array
from handpose.data.index.collector import Collector
from handpose.data.index.rows import Known, listed_rows

_BOX = ("box_u", "box_v", "box_side")
_COMMON = ("image", "side", "group")
_KNOWN = Known(columns=(*_COMMON, *_BOX), keys=(*_COMMON, "box"))


class Row(NamedTuple):
    """One hand that is to be looked at."""

    image: str  # path below the root
    box: np.ndarray | None = None  # (3,) centre u, centre v, side in px; None: the middle
    side: str = "right"
    group: str = ""  # empty: by the name


def read_rows(collector: Collector, root: Path, file: str, names: Collection[str]) -> Iterator[Row]:
    """The good rows; the others become problems, by file and line.

    Args:
        collector: takes the problems.
        root: where the file lies.
        file: as `handpose/data/folder.py` documents it.
        names: of the pictures that there are.
    """
    for record, row in listed_rows(collector, root / file, file, _KNOWN):
        with collector.record(record):
            yield _from_cells(row, names) if file.endswith(".csv") else _from_keys(row, names)


def _from_cells(row: dict[str, str], names: Collection[str]) -> Row:
    box = [row.get(column) or None for column in _BOX]
    return _from_keys({**_common(row), "box": box if any(box) else None}, names)


def _from_keys(row: dict[str, Any], names: Collection[str]) -> Row:
    """Raises ValueError or KeyError with what is wrong with a row."""
    image, side, box = row["image"], row.get("side") or "right", row.get("box")
    if image not in names:
        raise ValueError(f"there is no picture {image}")
    if side not in ("left", "right"):
        raise ValueError(f"side is {side!r}, not left or right")
    return Row(image, None if box is None else _checked(box), side, str(row.get("group") or ""))


def _common(row: dict[str, str]) -> dict[str, str]:
    return {key: row[key] for key in _COMMON if key in row}


def _checked(box: Any) -> np.ndarray:
    numbers = as_array(box, 3)
    if not (np.isfinite(numbers).all() and numbers[2] > 0):
        raise ValueError(f"the box {box} is not centre u, centre v, side in px")
    return numbers
