"""A plain folder of pictures of hands, without labels: for pre-training alone.

    ROOT/**/*.jpg, .jpeg, .png, .webp, .bmp, .tif, .tiff   in folders of any depth
    ROOT/<boxes>                                           optional, a .csv or .jsonl: dataset.boxes

Pictures are taken as people see them, turned as their EXIF says. Without `boxes` the largest square
in the middle of each is cropped. With it there is one row a hand: a CSV file has the columns image
(path below ROOT) and box_u, box_v, box_side (centre and side in px of the picture as seen), and may
have side (left or right; right if empty) and group (what a cut between training and validation must
not divide, such as a person or a video); JSON lines have the keys image, box ([u, v, side]), side
and group. A row without a box is of the picture's middle; a picture without a row is left out.

What cannot be used is left out, counted and listed, and the run continues: damaged pictures, those
under `min_side`, copies of another one, files that are no pictures. A row of `boxes` that is wrong
is refused, by file and line. Without groups of yours `handpose.data.capture_groups` makes
them of the names. There is no test split.
"""

import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from handpose.data.capture_groups import group_by_name
from handpose.data.images import read_image
from handpose.data.index import rows as listed
from handpose.data.index.annotation import Annotation
from handpose.data.index.collector import Collector, Hand
from handpose.data.index.problems import BrokenDataError, Problem, as_lines
from handpose.data.indexed import IndexedDataset
from handpose.data.sources.folder_images import (
    FOUND,
    SUFFIXES,
    Row,
    find_copies,
    find_pictures,
    read_rows,
)
from handpose.data.subsets import number_of

_LEAST = 10  # hands: fewer make no training and no validation
_TOO_SMALL = "too small"

_log = logging.getLogger(__name__)


class Folder(IndexedDataset):
    """One split of a folder of pictures.

    Args:
        boxes: a .csv or .jsonl below the root, see above; None: the middle of every picture.
        min_side: px; smaller pictures and boxes are left out.
        max_left_out: the part of the pictures that may be damaged or too small.
        **contract: what every indexed dataset takes (see `IndexedDataset`).

    Raises:
        BrokenDataError: more than that would be left out, too little is left, or a row of `boxes`
            is wrong.
    """

    name = "folder"
    is_never_labelled = True

    def __init__(
        self, *, boxes: str | None, min_side: int, max_left_out: float, **contract: Any
    ) -> None:
        if boxes is not None and Path(boxes).suffix not in listed.SUFFIXES:
            raise ValueError(f"dataset.boxes={boxes}: give a .csv or a .jsonl file")
        self.boxes, self.min_side, self.max_left_out = boxes, min_side, max_left_out
        super().__init__(**contract)
        if self.split == "train":
            self._say_what_is_left_out()

    def options(self) -> Any:
        return [self.boxes, self.min_side]

    def watched(self) -> list[Path]:
        folders = sorted(Path(folder) for folder, _, _ in os.walk(self.root))
        return [*folders, self.root / self.boxes] if self.boxes else folders

    def read_picture(self, path: Path) -> np.ndarray:
        image = read_image(path, upright=True)
        height, width = image.shape[:2]
        if min(height, width) < self.min_side:
            reason = f"{_TOO_SMALL}: {width} x {height} px, under dataset.min_side={self.min_side}"
            raise ValueError(f"{path}: {reason}")
        return image

    def read(self, collector: Collector) -> None:
        collector.upright = True
        names = find_pictures(collector, self.root, apart_from=self.boxes)
        if not names:
            collector.problem(".", f"holds no picture ({', '.join(SUFFIXES)})", fatal=True)
            return
        rows = [Row(name) for name in names]
        if self.boxes is not None:
            rows = list(read_rows(collector, self.root, self.boxes, set(names)))
            without = len(set(names) - {row.image for row in rows})
            collector.counts[f"pictures without a row in {self.boxes}, left out"] = without
        copies = find_copies(self.root, names)
        collector.counts["copies of another picture, left out"] = len(copies)
        rows = [row for row in rows if row.image not in copies]
        large = [row for row in rows if row.box is None or row.box[2] >= self.min_side]
        collector.counts[f"boxes under {self.min_side} px, left out"] = len(rows) - len(large)
        collector.counts = +collector.counts  # without those of nothing
        self._add(collector, large)

    def _add(self, collector: Collector, rows: list[Row]) -> None:
        names = list(dict.fromkeys(row.image for row in rows))
        groups, kind = group_by_name(names)
        group_of = dict(zip(names, groups, strict=True))
        collector.layout = f"cut into training and validation by {kind}, where no group is listed"
        unlabelled = collector.add_annotation("", Annotation())
        places: Counter[str] = Counter()
        for row in rows:
            collector.add_hand(
                Hand(
                    image=row.image,
                    annotation=unlabelled,
                    split="train",
                    box=row.box,
                    is_left=row.side == "left",
                    identity=number_of(f"{row.image}#{places[row.image]}"),
                    group=number_of(row.group or group_of[row.image]),
                    place=places[row.image],
                )
            )
            places[row.image] += 1

    def goes_without(self, problem: Problem) -> bool:
        return self.boxes is None or problem.file.partition("#")[0] != self.boxes

    def _refuse_unless_known(self, quarantine: str | None) -> None:
        super()._refuse_unless_known(quarantine)
        problems = [problem for problem in self.index.problems if self.goes_without(problem)]
        bad = len({problem.file for problem in problems})
        found, left = self.index.counts[FOUND], len(self.index.arrays["box"])
        why = ""
        if bad > self.max_left_out * found:
            why = f"more than dataset.max_left_out={self.max_left_out}; fix them, or raise it"
        elif left < _LEAST:
            why = f"and {left} hands are left, where pre-training takes {_LEAST} at least"
        if why:
            message = f"{self.root}: {bad} of {found} pictures cannot be used, {why}"
            shown = problems or [Problem(".", message)]
            raise BrokenDataError(f"{message}\n{as_lines(problems)}", shown, is_fatal=True)

    def _say_what_is_left_out(self) -> None:
        problems = [problem for problem in self.index.problems if self.goes_without(problem)]
        small = sum(problem.reason.startswith(_TOO_SMALL) for problem in problems)
        counts = self.index.counts | {
            f"under {self.min_side} px, left out": small,
            "damaged, or a box off the picture, left out": len(problems) - small,
        }
        lines = "".join(f"\n  {what}: {count:,}" for what, count in counts.items() if count)
        _log.info("%s: %d hands without labels%s", self.root, len(self.index.arrays["box"]), lines)
        if problems:
            _log.warning("%s: left out are\n%s", self.root, as_lines(problems))
