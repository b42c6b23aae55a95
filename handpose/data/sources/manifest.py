"""Any labelled pictures of your own, listed in one file: CSV or JSON lines.

    ROOT/labels.csv   (or .jsonl: dataset.file)   one row a hand
    ROOT/<image>      the pictures, at the paths that the rows name

JSON lines have the keys image, side ("left" or "right"), uv (21 x 2 px, null where unlabelled) and,
where known, xyz (21 x 3 metres in the camera frame: x right, y down, z forward; null where
unlabelled), K (3 x 3), box (centre u, centre v, side, in px), split ("train", "val" or "test";
train if absent) and group (what a cut between training and validation must not divide, such as a
person; the picture if absent). CSV files have the columns image, side, u0, v0 ... u20, v20 and,
where known, x0, y0, z0 ... x20, y20, z20, fx, fy, cx, cy, box_u, box_v, box_side, split, group; an
empty cell is a missing label. Other keys and columns are refused.

The joints are in the order of FreiHAND, OpenPose and MediaPipe: 0 wrist; 1 to 4 thumb (CMC, MCP,
IP, tip); 5 to 8 index, 9 to 12 middle, 13 to 16 ring, 17 to 20 little finger (MCP, PIP, DIP, tip).

An image that its EXIF turns is refused until `upright` says what its labels are in px of: the image
as shown (true) or the file as stored (false). Without a box it is that of the joints, which then
decide the crops of pre-training too, as the run says. Without any "val" row the validation cut is
ours.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from handpose.data.base import SPLITS, joint_box
from handpose.data.images import read_image
from handpose.data.index.annotation import Annotation, as_array
from handpose.data.index.collector import Collector, Hand
from handpose.data.index.rows import SUFFIXES, Known, listed_rows
from handpose.data.indexed import IndexedDataset
from handpose.data.subsets import number_of
from handpose.skeleton import NUM_JOINTS

_PLAIN = ("image", "side", "split", "group")
_UV, _XYZ = ([f"{axis}{j}" for j in range(NUM_JOINTS) for axis in axes] for axes in ("uv", "xyz"))
_CAMERA, _BOX = ["fx", "fy", "cx", "cy"], ["box_u", "box_v", "box_side"]
_KNOWN = Known(
    columns=(*_PLAIN, *_CAMERA, *_BOX, *_UV, *_XYZ), keys=(*_PLAIN, "uv", "xyz", "K", "box")
)
_OWN_VAL = "hands in a validation split of their own"
_BOXED_BY_JOINTS = "hands without a box, cropped about their joints"


class Manifest(IndexedDataset):
    """One split of a labelled list.

    Args:
        file: of the list, relative to the root; .csv or .jsonl.
        upright: what labels are in px of: True, the image turned as its EXIF says, as people see
            it; False, the file as stored; None, not known: an image that EXIF turns is refused.
        **contract: what every indexed dataset takes (see `IndexedDataset`).
    """

    name = "manifest"

    def __init__(self, *, file: str, upright: bool | None = None, **contract: Any) -> None:
        if Path(file).suffix not in SUFFIXES:
            raise ValueError(f"dataset.file={file}: give a .csv or a .jsonl file")
        self.file, self.upright = file, upright
        super().__init__(**contract)

    def options(self) -> Any:
        return [self.file, self.upright]

    def read_picture(self, path: Path) -> np.ndarray:
        return read_image(path, upright=bool(self.upright))

    def watched(self) -> list[Path]:
        return [self.root / self.file]

    def _choose(self, val_fraction: float | None) -> np.ndarray:
        has_own = self.index.counts.get(_OWN_VAL, 0) > 0
        return super()._choose(None if has_own else val_fraction)

    @property
    def crops_by_labels(self) -> bool:
        return super().crops_by_labels or self.index.counts.get(_BOXED_BY_JOINTS, 0) > 0

    def read(self, collector: Collector) -> None:
        if not (self.root / self.file).exists():
            collector.problem(self.file, "missing: the list of hands", fatal=True)
            return
        collector.upright = self.upright
        places: Counter[str] = Counter()
        is_csv = self.file.endswith(".csv")
        for name, row in listed_rows(collector, self.root / self.file, self.file, _KNOWN):
            with collector.record(name):
                _add(collector, name, _from_csv(row) if is_csv else row, places)


def _from_csv(row: dict[str, str]) -> dict[str, Any]:
    plain: dict[str, Any] = {key: row[key] for key in _PLAIN if row.get(key)}
    plain["uv"], plain["xyz"] = _cells(row, _UV, 2), _cells(row, _XYZ, 3)
    camera = _cells(row, _CAMERA, 4)
    if camera is not None:
        fx, fy, cx, cy = camera[0]
        plain["K"] = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]
    box = _cells(row, _BOX, 3)
    plain["box"] = None if box is None else box[0]
    return plain


def _cells(row: dict[str, str], names: list[str], width: int) -> list[list[float | None]] | None:
    """Numbers in rows of `width`, None for an empty cell; None if all are empty or absent."""
    if not any(row.get(name) for name in names):
        return None
    values = [float(row[name]) if row.get(name) else None for name in names]
    return [values[i : i + width] for i in range(0, len(values), width)]


def _add(collector: Collector, name: str, row: dict[str, Any], places: Counter[str]) -> None:
    image, side, split = row["image"], row["side"], row.get("split", "train")
    if side not in ("left", "right"):
        raise ValueError(f"side is {side!r}, not left or right")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, not one of {', '.join(SPLITS)}")
    uv, uv_valid = _points(row.get("uv"), 2)
    xyz, xyz_valid = _points(row.get("xyz"), 3)
    K = None if row.get("K") is None else as_array(row["K"], 3, 3)
    if xyz is not None and K is None:
        raise ValueError("it has xyz but no K (fx, fy, cx, cy)")
    number = collector.add_annotation(name, Annotation(uv, uv_valid, xyz, xyz_valid, K))
    if split == "val":
        collector.counts[_OWN_VAL] += 1
    if row.get("box") is None:
        collector.counts[_BOXED_BY_JOINTS] += 1
    collector.add_hand(
        Hand(
            image=image,
            annotation=number,
            split=split,
            box=_box(row, uv, uv_valid),
            is_left=side == "left",
            identity=number_of(f"{image}#{places[image]}"),
            group=number_of(str(row.get("group", image))),
            place=places[image],
        )
    )
    places[image] += 1


def _points(value: Any, width: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(21, width) and which are labelled (21,); a joint that is null, or has a null, is not."""
    if value is None:
        return None, None
    missing = [None] * width
    points = as_array([missing if point is None else point for point in value], NUM_JOINTS, width)
    labelled = np.array([point is not None and None not in point for point in value])
    return points, labelled


def _box(row: dict[str, Any], uv: np.ndarray | None, uv_valid: np.ndarray | None) -> np.ndarray:
    if row.get("box") is not None:
        return as_array(row["box"], 3)
    if uv is None or uv_valid is None or not uv_valid.any():
        raise ValueError("it has neither a box nor a joint in the picture to crop by")
    return joint_box(uv[uv_valid])
