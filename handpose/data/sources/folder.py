"""A folder of unlabelled hand images, for pre-training only.

    ROOT/**/*.jpg, .jpeg, .png, .webp, .bmp, .tif, .tiff   in folders of any depth
    ROOT/<boxes>                                           optional, a .csv or .jsonl: dataset.boxes

Images are turned as their EXIF says. Without `boxes`, the largest central square of each is
cropped. With it, there is one row per hand: a CSV file has the columns image (path
below ROOT) and box_u, box_v, box_side (centre and side in px of the image as shown), and may have
side (left or right; right if empty) and group (what a cut between training and validation must not
divide, such as a person or a video); JSON lines have the keys image, box ([u, v, side]), side and
group. A row without a box means the central square; an image without a row is left out.

Unusable files are left out, counted and listed, and the run continues: corrupt images, those under
`min_side`, copies of another one, files that are not images. A wrong row of `boxes` is refused, by
file and line. Without your own groups, `folder_images` makes them from the names. There is no test
split.
"""

import logging
import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.data.images import read_image
from handpose.data.index import label_tables as tables
from handpose.data.index.collector import Annotation, Collector, Hand, as_array
from handpose.data.index.problems import BrokenDataError, Problem, as_lines
from handpose.data.indexed import IndexedDataset
from handpose.data.sources.folder_images import (
    FOUND,
    SUFFIXES,
    find_copies,
    find_images,
    group_by_name,
)
from handpose.data.subsets import number_of

_LEAST = 10  # hands: fewer make no training and no validation
_TOO_SMALL = "too small"
_TEXTS = ("image", "side", "group")
_FORMAT = tables.RowFormat(
    texts=_TEXTS, numbers={"box": [["box_u", "box_v", "box_side"]]}, keys=(*_TEXTS, "box")
)

_log = logging.getLogger(__name__)


class _Row(NamedTuple):
    """One hand."""

    image: str  # path below the root
    box: np.ndarray | None = None  # (3,) centre u, centre v, side in px; None: the central square
    side: str = "right"
    group: str = ""  # empty: by the name
    place: int = 0  # number of the hand in its image, counted in the file


class Folder(IndexedDataset):
    """One split of a folder of images.

    Args:
        boxes: a .csv or .jsonl below the root, see above; None: the central square of every image.
        min_side: px; smaller images and boxes are left out.
        max_left_out: part of the images that may be corrupt or too small.
        **contract: arguments of `IndexedDataset`.

    Raises:
        BrokenDataError: more than that would be left out, too little is left, or a row of `boxes`
            is wrong.
    """

    name = "folder"
    is_never_labelled = True

    def __init__(
        self,
        *,
        boxes: str | None = None,
        min_side: int = 32,
        max_left_out: float = 0.5,
        **contract: Any,
    ) -> None:
        if boxes is not None and Path(boxes).suffix not in tables.SUFFIXES:
            raise ValueError(f"dataset.boxes={boxes}: give a .csv or a .jsonl file")
        self.boxes, self.min_side, self.max_left_out = boxes, min_side, max_left_out
        super().__init__(**contract)
        if self.split == "train":
            self._log_what_is_left_out()

    def options(self) -> Any:
        return [self.boxes, self.min_side]

    def watched(self) -> list[Path]:
        folders = sorted(Path(folder) for folder, _, _ in os.walk(self.root))
        return [*folders, self.root / self.boxes] if self.boxes else folders

    def read_image(self, path: Path) -> np.ndarray:
        image = read_image(path, upright=True)
        height, width = image.shape[:2]
        if min(height, width) < self.min_side:
            reason = f"{_TOO_SMALL}: {width} x {height} px, under dataset.min_side={self.min_side}"
            raise ValueError(f"{path}: {reason}")
        return image

    def read(self, collector: Collector) -> None:
        collector.upright = True
        names = find_images(collector, self.root, apart_from=self.boxes)
        if not names:
            collector.problem(".", f"holds no image ({', '.join(SUFFIXES)})", fatal=True)
            return
        rows = [_Row(name) for name in names]
        if self.boxes is not None:
            rows = list(_read_rows(collector, self.root, self.boxes, set(names)))
            without = len(set(names) - {row.image for row in rows})
            collector.counts[f"images without a row in {self.boxes}, left out"] = without
        copies = find_copies(self.root, names)
        collector.counts["copies of another image, left out"] = len(copies)
        rows = [row for row in rows if row.image not in copies]
        large = [row for row in rows if row.box is None or row.box[2] >= self.min_side]
        collector.counts[f"boxes under {self.min_side} px, left out"] = len(rows) - len(large)
        collector.counts = +collector.counts  # drops zeros
        self._add(collector, large)

    def _add(self, collector: Collector, rows: list[_Row]) -> None:
        names = list(dict.fromkeys(row.image for row in rows))
        groups, kind = group_by_name(names)
        group_of = dict(zip(names, groups, strict=True))
        collector.layout = f"cut into training and validation by {kind}, where no group is listed"
        unlabelled = collector.add_annotation("", Annotation())
        for row in rows:
            collector.add_hand(
                Hand(
                    image=row.image,
                    annotation=unlabelled,
                    split="train",
                    box=row.box,
                    is_left=row.side == "left",
                    identity=number_of(f"{row.image}#{row.place}"),
                    group=number_of(row.group or group_of[row.image]),
                    place=row.place,
                )
            )

    def may_ignore(self, problem: Problem) -> bool:
        return self.boxes is None or problem.file.partition("#")[0] != self.boxes

    def _ignored(self) -> list[Problem]:
        return [problem for problem in self.index.problems if self.may_ignore(problem)]

    def _refuse_unless_known(self, quarantine: str | None) -> None:
        super()._refuse_unless_known(quarantine)
        problems = self._ignored()
        bad = len({problem.file for problem in problems})
        found, left = self.index.counts[FOUND], len(self.index.arrays["box"])
        why = ""
        if bad > self.max_left_out * found:
            why = f"more than dataset.max_left_out={self.max_left_out}; fix them, or raise it"
        elif left < _LEAST:
            why = f"and {left} hands are left, but pre-training needs at least {_LEAST}: add some"
        if why:
            message = f"{self.root}: {bad} of {found} images cannot be used, {why}"
            shown = problems or [Problem(".", message)]
            raise BrokenDataError(f"{message}\n{as_lines(problems)}", shown, is_fatal=True)

    def _log_what_is_left_out(self) -> None:
        problems = self._ignored()
        small = sum(problem.reason.startswith(_TOO_SMALL) for problem in problems)
        counts = self.index.counts | {
            f"under {self.min_side} px, left out": small,
            "corrupt, or a box off the image, left out": len(problems) - small,
        }
        lines = "".join(f"\n  {what}: {count:,}" for what, count in counts.items() if count)
        _log.info("%s: %d hands without labels%s", self.root, len(self.index.arrays["box"]), lines)
        if problems:
            _log.warning("%s: left out are\n%s", self.root, as_lines(problems))


def _read_rows(
    collector: Collector, root: Path, file: str, names: Collection[str]
) -> Iterator[_Row]:
    """Return the valid rows of the boxes file; the others become problems."""
    places: Counter[str] = Counter()
    for record, row in tables.table_rows(collector, root / file, file, _FORMAT):
        with collector.record(record):
            image, side, box = row["image"], row.get("side") or "right", row.get("box")
            place, places[image] = places[image], places[image] + 1
            if image not in names:
                raise ValueError(f"there is no image {image}")
            if side not in ("left", "right"):
                raise ValueError(f"side is {side!r}, not left or right")
            numbers = None if box is None else as_array(box, 3)
            if numbers is not None and not (np.isfinite(numbers).all() and numbers[2] > 0):
                raise ValueError(f"the box {box} is not centre u, centre v, side in px")
            yield _Row(image, numbers, side, str(row.get("group") or ""), place)
