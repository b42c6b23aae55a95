"""Collects the labels of hands, problems and counts of a dataset root.

J = 21 joints in our order. `handpose.data.label_checks` checks the values.
"""

from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.data.base import SPLITS, Split
from handpose.data.index.columns import Columns
from handpose.data.index.json_stream import members
from handpose.data.index.problems import ProblemList
from handpose.files import shown
from handpose.geometry.camera import project
from handpose.skeleton import JOINT_ORDERS, NUM_JOINTS

# A count, by which `IndexedDataset.crops_by_labels` knows that labels decide crops.
BOXED_BY_JOINTS = "hands without a box, cropped about their joints"
_LARGEST = 1e6  # largest plausible number of a label, in any unit
_CENTRAL_BOX = np.full(3, np.nan)  # of an image whose size is not known yet


class Annotation(NamedTuple):
    """The labels of a hand; missing ones may be omitted."""

    uv: np.ndarray | None = None  # (J, 2) px; None: the projection of a complete xyz
    uv_valid: np.ndarray | None = None  # (J,) bool; None: all, if there is a uv
    xyz: np.ndarray | None = None  # (J, 3) metres, camera frame; without K in any unit
    xyz_valid: np.ndarray | None = None  # (J,) bool; None: all, if there is an xyz
    K: np.ndarray | None = None  # (3, 3)
    scale: float = 0.0  # metres, length of the bone that the protocol grants; 0: not stated


class Hand(NamedTuple):
    """One hand in one image."""

    image: str  # path relative to the root
    annotation: int  # number returned by `Collector.add_annotation`
    split: Split
    # (3,) centre u, centre v, side in px, not from joint labels if possible; None: the largest
    # central square
    box: np.ndarray | None
    is_left: bool
    identity: int  # equal for the same pose
    group: int  # capture group: all on one side of a cut into training and validation
    size: tuple[int, int] = (0, 0)  # width, height that the source states; 0: not stated
    place: int = 0  # number of the hand in its image


class Collector(ProblemList):
    """Collects the annotations of a source; a bad record becomes a problem without hands."""

    def __init__(self, columns: Columns) -> None:
        super().__init__()
        self.columns = columns
        self.layout = ""  # which of the source's layouts was found
        self.order_key = ""  # key that takes the name of a joint order; "" if there is none
        self.read_by = JOINT_ORDERS["ours"]  # the order by which all joints are read
        # Whether images are turned as their EXIF says; None: not known, and refused if one is.
        self.upright: bool | None = False
        self.warnings: list[str] = []
        self.counts: Counter[str] = Counter()
        self.images: dict[str, int] = {}  # path: number
        self.stated_sizes = array("i")  # width, height of each, as `Hand.size`
        self.bad_annotations: set[int] = set()
        self.records: list[str] = []  # the name of each annotation

    def members(self, path: Path, name: str, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Read the records of a list in a JSON file; a repeated or missing id becomes a problem.

        Args:
            path: of the file.
            name: of the file in a problem.
            key: of the list.

        Yields:
            ("name#key/place", record).
        """
        seen: set[Any] = set()
        for place, record in members(path, key):
            record_name = f"{name}#{key}/{place}"
            with self.record(record_name):
                if not isinstance(record, dict):
                    raise ValueError("it is not a JSON object")
                if record["id"] in seen:
                    raise ValueError(f"the id {record['id']} occurs twice")
                seen.add(record["id"])
                yield record_name, record

    def add_annotation(self, record: str, annotation: Annotation) -> int:
        """Add the labels of a hand and return their number.

        Args:
            record: its name in a problem, such as "training_xyz.json#12".
        """
        number = len(self.records)
        self.records.append(record)
        full = _completed(annotation)
        reason = _find_fault(**full)
        if reason is not None:
            self.problem(record, reason)
            self.bad_annotations.add(number)
            full = _completed(Annotation())
        self.columns.append(**full)
        return number

    def add_hand(self, hand: Hand) -> None:
        """Add a hand; its image is read later."""
        if shown(hand.image) != hand.image:
            self.problem(hand.image, "its name is not UTF-8; rename it")
            return
        box, is_told = hand.box, hand.annotation in self.bad_annotations
        if not is_told and box is not None and not (_is_number(box) and box[2] > 0):
            text = np.asarray(box, dtype=float).tolist()
            self.problem(hand.image, f"hand {hand.place}: the box {text} is not a square")
            return
        self.columns.append(
            image=self.add_image(hand.image, hand.size),
            annotation=hand.annotation,
            split=SPLITS.index(hand.split),
            group=hand.group,
            identity=hand.identity,
            box=_CENTRAL_BOX if box is None else box,
            is_left=hand.is_left,
            place=hand.place,
        )

    def add_image(self, image: str, size: tuple[int, int]) -> int:
        """Add an image to be read, with or without a hand; return its number.

        Args:
            image: its path relative to the root.
            size: stated width and height, as in `Hand`.
        """
        if image not in self.images:
            self.images[image] = len(self.images)
            self.stated_sizes.extend(size)
        return self.images[image]

    def turned(self, images: list[str]) -> None:
        """Report images with an EXIF turn if the labels may be in px of either orientation."""
        if self.upright or not images:
            return
        count = "1 image" if len(images) == 1 else f"{len(images)} images"
        text = f"EXIF turns {count}, the first {images[0]}"
        if self.upright is None:
            text += ", and the labels may be in px of the file as stored or of the image as shown. "
            text += "Set dataset.upright=false (as stored) or dataset.upright=true (as shown)"
            self.problem(images[0], text, fatal=True)
        else:
            self.warnings.append(f"{text}; labels are taken in px of the file as stored")


def as_array(value: Any, *shape: int) -> np.ndarray:
    """Convert numbers to float64 of a given shape; null becomes NaN.

    Raises:
        ValueError: they are not numbers, or have another shape.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"not {' x '.join(map(str, shape))} numbers") from None
    if array.shape != shape:
        found = " x ".join(map(str, array.shape)) or "a single"
        raise ValueError(f"{found} numbers, where {' x '.join(map(str, shape))} are expected")
    return array


def _completed(annotation: Annotation) -> dict[str, Any]:
    """Fill in missing fields with 0 and invalid, and a missing K with the identity."""
    uv, uv_valid, xyz, xyz_valid, K, scale = annotation
    if xyz_valid is None:
        xyz_valid = np.full(NUM_JOINTS, xyz is not None)
    if uv is None and xyz is not None and K is not None:
        seen = xyz_valid & (np.asarray(xyz)[:, 2] > 0)  # the others are a fault, found elsewhere
        uv_valid = seen if uv_valid is None else uv_valid
        with np.errstate(all="ignore"):  # joints that do not count
            uv = np.where(seen[:, None], project(np.asarray(K), np.asarray(xyz)), 0.0)
    if uv_valid is None:
        uv_valid = np.full(NUM_JOINTS, uv is not None)
    zero = np.zeros((NUM_JOINTS, 1))
    return {
        "uv": np.repeat(zero, 2, 1) if uv is None else np.where(uv_valid[:, None], uv, 0.0),
        "uv_valid": uv_valid,
        "xyz": np.repeat(zero, 3, 1) if xyz is None else np.where(xyz_valid[:, None], xyz, 0.0),
        "xyz_valid": xyz_valid,
        "K": np.eye(3) if K is None else K,
        "scale": scale,
    }


def _find_fault(*, xyz: Any, uv: Any, xyz_valid: Any, K: Any, scale: float, **_: Any) -> str | None:
    """Return why a completed annotation cannot be used, or None."""
    if not _is_number(K) or K[0, 0] <= 0 or K[1, 1] <= 0 or K[2].tolist() != [0, 0, 1]:
        return f"K is not a camera matrix: {np.asarray(K).tolist()}"
    for name, points in (("xyz", xyz), ("uv", uv)):
        is_bad = ~(np.abs(points) <= _LARGEST).all(axis=1)
        if is_bad.any():
            joint = int(is_bad.argmax())
            if not np.isfinite(points[joint]).all():
                return f"{name} is NaN or infinite at joint {joint}"
            return f"{name} is {points[joint].tolist()} at joint {joint}, beyond {_LARGEST:g}"
    if xyz_valid.sum() > 1 and np.ptp(xyz[xyz_valid], axis=0).max() == 0:
        return "all joints of xyz are at one point"
    if not np.isfinite(scale) or scale < 0:
        return f"the scale {scale} is not a length"
    return None


def _is_number(values: np.ndarray) -> bool:
    """Return whether all are finite and of a plausible size."""
    return bool((np.abs(values) <= _LARGEST).all())
