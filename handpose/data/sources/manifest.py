"""Your own labelled images, listed in one file: CSV or JSON lines.

    ROOT/labels.csv   (or .jsonl: dataset.file)   one row per hand
    ROOT/<image>      the images, at the paths that the rows name

JSON lines have the keys image, side ("left" or "right"), uv (21 x 2 px, null where unlabelled) and,
if known, xyz (21 x 3 metres in the camera frame: x right, y down, z forward; null where
unlabelled), K (3 x 3), box (centre u, centre v, side, in px), split ("train", "val" or "test";
train if absent) and group (what a cut between training and validation must not divide, such as a
person; the image if absent). CSV files have the columns image, side, u0, v0 ... u20, v20 and, if
known, x0, y0, z0 ... x20, y20, z20, fx, fy, cx, cy, box_u, box_v, box_side, split, group; an empty
cell is a missing label. Other keys and columns are refused.

The joints are in the order of FreiHAND, OpenPose and MediaPipe: 0 wrist; 1 to 4 thumb (CMC, MCP,
IP, tip); 5 to 8 index, 9 to 12 middle, 13 to 16 ring, 17 to 20 little finger (MCP, PIP, DIP, tip).

An image with an EXIF turn is refused until `upright` says whether its labels are in px of the image
as stored or as shown. An image may hold several hands. Hands without a box are cropped about their
joints, which then take part in pre-training. Without a row of the val split, the validation cut is
ours.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from handpose.data.base import SPLITS, joint_box
from handpose.data.images import read_image
from handpose.data.index.collector import (
    BOXED_BY_JOINTS,
    Annotation,
    Collector,
    Hand,
    as_array,
)
from handpose.data.index.label_tables import SUFFIXES, RowFormat, table_rows
from handpose.data.indexed import IndexedDataset
from handpose.data.subsets import number_of
from handpose.skeleton import NUM_JOINTS

_TEXTS = ("image", "side", "split", "group")
ROW_FORMAT = RowFormat(
    texts=_TEXTS,
    numbers={
        "camera": [["fx", "fy", "cx", "cy"]],
        "box": [["box_u", "box_v", "box_side"]],
        "uv": [[f"u{joint}", f"v{joint}"] for joint in range(NUM_JOINTS)],
        "xyz": [[f"x{joint}", f"y{joint}", f"z{joint}"] for joint in range(NUM_JOINTS)],
    },
    keys=(*_TEXTS, "uv", "xyz", "K", "box"),
)
_OWN_VAL = "hands in a validation split of their own"


class Manifest(IndexedDataset):
    """One split of a labelled list.

    Args:
        file: of the list, relative to the root; .csv or .jsonl.
        upright: True: labels are in px of the image as shown, turned by EXIF; False: of the file as
            stored; None: unknown, and an image with an EXIF turn is refused.
        **contract: arguments of `IndexedDataset`.
    """

    name = "manifest"

    def __init__(
        self, *, file: str = "labels.csv", upright: bool | None = None, **contract: Any
    ) -> None:
        if Path(file).suffix not in SUFFIXES:
            raise ValueError(f"dataset.file={file}: give a .csv or a .jsonl file")
        self.file, self.upright = file, upright
        super().__init__(**contract)

    def options(self) -> Any:
        return [self.file, self.upright]

    def read_image(self, path: Path) -> np.ndarray:
        return read_image(path, upright=bool(self.upright))

    def watched(self) -> list[Path]:
        return [self.root / self.file]

    def _choose(self, val_fraction: float | None) -> np.ndarray:
        has_own = self.index.counts.get(_OWN_VAL, 0) > 0
        return super()._choose(None if has_own else val_fraction)

    def read(self, collector: Collector) -> None:
        if not (self.root / self.file).exists():
            collector.problem(self.file, "missing: the list of hands", fatal=True)
            return
        collector.upright = self.upright
        places: Counter[str] = Counter()
        for name, row in table_rows(collector, self.root / self.file, self.file, ROW_FORMAT):
            with collector.record(name):
                _add(collector, name, row, places)


def _add(collector: Collector, name: str, row: dict[str, Any], places: Counter[str]) -> None:
    image = row["image"]
    place, places[image] = places[image], places[image] + 1
    side, split = row["side"], row.get("split", "train")
    if side not in ("left", "right"):
        raise ValueError(f"side is {side!r}, not left or right")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, not one of {', '.join(SPLITS)}")
    labels = _labels(row)
    number = collector.add_annotation(name, labels)
    if split == "val":
        collector.counts[_OWN_VAL] += 1
    if row.get("box") is None:
        collector.counts[BOXED_BY_JOINTS] += 1
    collector.add_hand(
        Hand(
            image=image,
            annotation=number,
            split=split,
            box=_box(row, labels),
            is_left=side == "left",
            identity=number_of(f"{image}#{place}"),
            group=number_of(str(row.get("group", image))),
            place=place,
        )
    )


def _labels(row: dict[str, Any]) -> Annotation:
    uv, uv_valid = read_points(row.get("uv"), 2)
    xyz, xyz_valid = read_points(row.get("xyz"), 3)
    K = None if row.get("K") is None else as_array(row["K"], 3, 3)
    if "camera" in row:
        fx, fy, cx, cy = as_array(row["camera"], 4)
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if xyz is not None and K is None:
        raise ValueError("it has xyz but no K (fx, fy, cx, cy)")
    return Annotation(uv, uv_valid, xyz, xyz_valid, K)


def read_points(value: Any, width: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return points (21, width) and which are labelled (21,), or None for both.

    Args:
        value: 21 points as in a row; any null unlabels a joint.
        width: numbers of a point.

    Raises:
        ValueError: it is not 21 points of numbers.
    """
    if value is None:
        return None, None
    missing = [None] * width
    points = as_array([missing if point is None else point for point in value], NUM_JOINTS, width)
    labelled = np.array([point is not None and None not in point for point in value])
    return points, labelled


def _box(row: dict[str, Any], labels: Annotation) -> np.ndarray:
    if row.get("box") is not None:
        return as_array(row["box"], 3)
    uv, valid = labels.uv, labels.uv_valid
    if uv is None or valid is None or not valid.any():
        raise ValueError("it has neither a box nor a joint in the image to crop by")
    return joint_box(uv[valid])
