"""The list of boxes beside a folder of pictures: which hands there are, by row.

The pictures below a folder, and which of them are copies.
"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.data.capture_groups import in_order
from handpose.data.index.annotation import as_array
from handpose.data.index.collector import Collector
from handpose.data.index.rows import Known, listed_rows
from handpose.files import LARGEST_IMAGE, regular, shown

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
        file: as `handpose/data/sources/folder.py` documents it.
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


SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
FOUND = "pictures found"
_SHOWN = 5  # kinds of files that are no pictures


def find_pictures(collector: Collector, root: Path, *, apart_from: str | None) -> list[str]:
    """Their paths below the root, in the order of names; what else is there is counted.

    Args:
        collector: takes the counts, and folders that cannot be read as problems.
        root: where to look, at any depth.
        apart_from: a file that is known, and no picture.
    """
    names: list[str] = []
    others: Counter[str] = Counter()
    counts = collector.counts
    for folder, files in _walk(collector, root):
        for file in files:
            name, suffix = (folder / file).as_posix(), Path(file).suffix.lower()
            if suffix in SUFFIXES:
                names.append(name)
            elif name != apart_from:
                others[shown(suffix) or "without a suffix"] += 1
    kinds = ", ".join(suffix for suffix, _ in others.most_common(_SHOWN))
    counts[f"files that are no pictures ({kinds}), left out"] += others.total()
    counts[FOUND] = len(names)
    collector.counts = +counts  # without those of nothing
    return sorted(names, key=in_order)


def _walk(collector: Collector, root: Path) -> Iterator[tuple[Path, list[str]]]:
    """(folder below the root, its files) without what is hidden, and without following links."""

    def unreadable(error: OSError) -> None:
        name = Path(error.filename).relative_to(root).as_posix()
        collector.problem(name, f"the folder cannot be read ({error.strerror})")

    for path, folders, files in os.walk(root, onerror=unreadable):
        hidden = {name for name in [*folders, *files] if name.startswith(".")}
        links = {name for name in folders if (Path(path) / name).is_symlink()} - hidden
        collector.counts["hidden files and folders, left out"] += len(hidden)
        collector.counts["links to folders, not followed"] += len(links)
        folders[:] = [name for name in folders if name not in hidden]
        yield Path(path).relative_to(root), [name for name in files if name not in hidden]


def find_copies(root: Path, names: list[str]) -> set[str]:
    """Those whose content an earlier one has; only files of one size are read for it."""
    sizes: dict[int, list[str]] = defaultdict(list)
    for name in names:
        path = root / name
        sizes[path.stat().st_size if path.exists() else 0].append(name)
    copies: set[str] = set()
    for size, same in sizes.items():
        seen: set[bytes] = set()
        for name in same if size and len(same) > 1 else ():
            digest = _digest(root / name)
            copies |= {name} if digest in seen else set()
            seen.add(digest)
    return copies


def _digest(path: Path) -> bytes:
    """Of the content; of the name where it cannot be read, which is said later."""
    try:
        return hashlib.sha256(regular(path, most=LARGEST_IMAGE).read_bytes()).digest()
    except OSError:
        return str(path).encode()
