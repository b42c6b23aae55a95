"""What is wrong with what a reader found: images, labels and boxes, each by name and reason."""

from itertools import chain
from pathlib import Path

import numpy as np

from handpose.data.index.collector import Collector
from handpose.data.index.pictures import ReadPicture, look_at
from handpose.data.plausibility.faults import find_faults
from handpose.data.plausibility.hands import blocks, read_hands
from handpose.data.plausibility.sources import judge

_LOOKED_AT = 4096  # hands to judge a source by, evenly over all


def unreadable_images(root: Path, collector: Collector, read: ReadPicture) -> list[int]:
    """Decodes every picture, fills in the names and sizes, and returns the bad ones' numbers."""
    columns, bad, turned, end = collector.columns, [], [], 0
    stated = zip(collector.stated_sizes[::2], collector.stated_sizes[1::2], strict=True)
    pictures = zip(collector.images, stated, strict=True)
    seen = look_at(root, pictures, total=len(collector.images), read=read)
    for number, (name, look) in enumerate(zip(collector.images, seen, strict=True)):
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


def judge_source(collector: Collector, good: np.ndarray) -> bool:
    """Whether the source's labels can be right as a whole; if not, why becomes a fatal problem."""
    rows = np.flatnonzero(good)
    places = np.linspace(0, len(rows) - 1, min(len(rows), _LOOKED_AT)).astype(int)
    verdict = judge(read_hands(collector.columns, rows[places]))
    if verdict.fault is not None:
        record = collector.records[collector.columns.read("annotation")[rows[0]]]
        file, _, place = record.partition("#")
        collector.problem(file if place else str(Path(file).parent), verdict.fault, fatal=True)
    collector.warnings += [verdict.warning] if verdict.warning else []
    return verdict.fault is None


def faulty_hands(collector: Collector, good: np.ndarray) -> np.ndarray:
    """(N,) whether a good hand's labels or box cannot be right; each becomes a problem."""
    columns, faulty = collector.columns, np.zeros(len(good), dtype=bool)
    names, said = list(collector.images), set()
    for fault in chain.from_iterable(map(find_faults, blocks(columns, np.flatnonzero(good)))):
        row, faulty[fault.row] = fault.row, True
        name, reason = collector.records[columns.read("annotation")[row]], fault.reason
        if fault.is_of_box:
            name = names[columns.read("image")[row]]
            reason = f"hand {columns.read('place')[row]}: {reason}"
        if (name, reason) not in said:  # an annotation may be of several images
            collector.problem(name, reason)
            said.add((name, reason))
    return faulty
