"""Checks of images, labels and boxes of a source."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handpose.data.images import is_turned
from handpose.data.index.collector import Collector
from handpose.data.index.threads import read_in_order
from handpose.data.label_checks.hands import Hands, blocks, read_hands
from handpose.data.label_checks.per_hand import find_faults
from handpose.data.label_checks.per_source import Verdict, judge, judge_in_images

_SAMPLED = 4096  # hands to judge a source by, evenly over all

ReadImage = Callable[[Path], np.ndarray]
_Stated = tuple[str, tuple[int, int]]  # path, (width, height) that the source states


class _Look(NamedTuple):
    """Result of reading one image."""

    size: tuple[int, int] = (0, 0)  # width, height
    reason: str | None = None  # why it cannot be used
    is_turned: bool = False  # by its EXIF


def unreadable_images(root: Path, collector: Collector, read: ReadImage) -> list[int]:
    """Decode every image, fill in the columns of `IMAGE` and return the numbers of the bad ones.

    Args:
        collector: has all images; records the problems.
        read: path -> (H, W, 3); a ValueError says, after the path, why an image cannot be used.
    """
    columns, bad, turned, end = collector.columns, [], [], 0
    looks = _read_all(root, collector, read)
    for number, (name, look) in enumerate(zip(collector.images, looks, strict=True)):
        encoded = name.encode()
        end += len(encoded)
        columns.extend("name", encoded)
        columns.append(name_end=end, size=look.size)
        if look.reason is not None:
            collector.problem(name, look.reason)
            bad.append(number)
        if look.is_turned:
            turned.append(name)
    collector.turned(turned)
    return bad


def _read_all(root: Path, collector: Collector, read: ReadImage) -> Iterator[_Look]:
    """Read every image, on all cores, in order."""
    stated = zip(collector.stated_sizes[::2], collector.stated_sizes[1::2], strict=True)
    images: Iterator[_Stated] = zip(collector.images, stated, strict=True)
    return read_in_order(
        lambda image: _look(read, root, *image),
        images,
        what=f"checking the images of {root}",
        total=len(collector.images),
    )


def _look(read: ReadImage, root: Path, name: str, stated: tuple[int, int]) -> _Look:
    try:
        height, width = read(root / name).shape[:2]
    except ValueError as error:
        return _Look(reason=str(error).removeprefix(f"{root / name}: "))
    if any(stated) and (width, height) != tuple(stated):
        expected = f"{stated[0]} x {stated[1]}"
        return _Look(reason=f"{width} x {height} px, where the annotations say {expected}")
    return _Look((width, height), is_turned=is_turned(root / name))


def is_plausible(collector: Collector, good: np.ndarray) -> bool:
    """Check the labels of a source as a whole; a fault becomes a fatal problem.

    Args:
        good: (N,) bool, hands without a problem so far.
    """
    return _holds(partial(judge, read_by=collector.read_by), collector, good)


def is_in_images(collector: Collector, good: np.ndarray) -> bool:
    """Check that a source's hands are in their images, which were read; a fault is fatal.

    Args:
        good: (N,) bool, hands without a problem so far.
    """
    return _holds(judge_in_images, collector, good)


def _holds(judge: Callable[[Hands], Verdict], collector: Collector, good: np.ndarray) -> bool:
    """Judge the hands of each split, whose files may have been made otherwise, then all hands."""
    rows = np.flatnonzero(good)
    splits = collector.columns.read("split")[rows]
    parts = [rows[splits == split] for split in np.unique(splits)]
    for part in (*(parts if len(parts) > 1 else ()), rows):
        places = np.linspace(0, len(part) - 1, min(len(part), _SAMPLED)).astype(int)
        verdict = judge(read_hands(collector.columns, part[places]))
        if verdict.fault is not None:
            _refuse(collector, verdict, int(part[0]))
            return False
        collector.warnings += [verdict.warning] if verdict.warning and part is rows else []
    return True


def _refuse(collector: Collector, verdict: Verdict, row: int) -> None:
    """Note a fatal problem of the file that has a hand."""
    record = collector.records[collector.columns.read("annotation")[row]]
    file, _, place = record.partition("#")
    has_key = collector.order_key and verdict.order
    advice = f"; or set {collector.order_key}={verdict.order}" if has_key else ""
    name = file if place else str(Path(file).parent)
    collector.problem(name, f"{verdict.fault}{advice}", fatal=True)


def faulty_hands(collector: Collector, good: np.ndarray) -> np.ndarray:
    """Find good hands (N,) whose labels or box cannot be right; each becomes a problem.

    Args:
        good: (N,) bool, hands without a problem so far.
    """
    columns, faulty = collector.columns, np.zeros(len(good), dtype=bool)
    names, told = list(collector.images), set()
    for fault in chain.from_iterable(map(find_faults, blocks(columns, np.flatnonzero(good)))):
        row, faulty[fault.row] = fault.row, True
        name, reason = collector.records[columns.read("annotation")[row]], fault.reason
        if fault.is_of_box:
            name = names[columns.read("image")[row]]
            reason = f"hand {columns.read('place')[row]}: {reason}"
        if (name, reason) not in told:  # several images may share an annotation
            collector.problem(name, reason)
            told.add((name, reason))
    return faulty
