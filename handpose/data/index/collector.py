"""What a reader finds in a dataset root: annotations, hands, problems and counts.

J = 21 joints in our order. Every number is looked at here, once, whatever source it comes from.
"""

from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from handpose.data.base import SPLITS, Split
from handpose.data.index.columns import Columns, Schema
from handpose.data.index.problems import Problem
from handpose.geometry.camera import project
from handpose.hand import NUM_JOINTS

ANNOTATION: Schema = {
    "uv": (np.float32, (NUM_JOINTS, 2)),
    "uv_valid": (np.bool_, (NUM_JOINTS,)),
    "xyz": (np.float32, (NUM_JOINTS, 3)),
    "xyz_valid": (np.bool_, (NUM_JOINTS,)),
    "K": (np.float32, (3, 3)),
    "scale": (np.float32, ()),
}
HAND: Schema = {
    "image": (np.int32, ()),
    "annotation": (np.int32, ()),
    "split": (np.uint8, ()),
    "group": (np.int64, ()),
    "identity": (np.int64, ()),
    "box": (np.float32, (3,)),
    "is_left": (np.bool_, ()),
    "place": (np.int32, ()),
}
IMAGE: Schema = {"name": (np.uint8, ()), "name_end": (np.int64, ()), "size": (np.int32, (2,))}

# A labelled 2D joint further than this from its own projection is a label in another unit.
_MAX_PROJECTION_ERROR = 5.0  # px
_NO_UV, _NO_XYZ = np.zeros((NUM_JOINTS, 2)), np.zeros((NUM_JOINTS, 3))
_NONE_VALID = np.zeros(NUM_JOINTS, dtype=bool)


class Annotation(NamedTuple):
    """The labels of a hand; what is not labelled may be left out."""

    uv: np.ndarray | None = None  # (J, 2) px; None: the projection of a complete xyz
    uv_valid: np.ndarray | None = None  # (J,) bool; None: all, where there is a uv
    xyz: np.ndarray | None = None  # (J, 3) metres, camera frame; without K in units of its own
    xyz_valid: np.ndarray | None = None  # (J,) bool; None: all, where there is an xyz
    K: np.ndarray | None = None  # (3, 3)
    scale: float = 0.0  # metres, of the scale bone that the protocol grants; 0: not stated


class _Complete(NamedTuple):
    """An annotation with every field in place, as the columns take it."""

    uv: np.ndarray
    uv_valid: np.ndarray
    xyz: np.ndarray
    xyz_valid: np.ndarray
    K: np.ndarray
    scale: float


class Hand(NamedTuple):
    """One hand in one picture."""

    image: str  # path relative to the root
    annotation: int  # as `Collector.add_annotation` numbered it
    split: Split
    box: np.ndarray  # (3,) centre u, centre v, side in px; not from joint labels where possible
    is_left: bool
    identity: int  # equal for one and the same pose
    group: int  # what a cut between training and validation must not divide
    size: tuple[int, int] = (0, 0)  # width, height that the source states; 0: not stated
    place: int = 0  # which hand of the picture


class Collector:
    """Takes what a reader finds; a bad record becomes a problem, and its hands are left out."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.layout = ""  # which of the source's layouts was found
        self.problems: list[Problem] = []
        self.fatal: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.images: dict[str, int] = {}  # path: number
        self.stated_sizes = array("i")  # width, height of each, as `Hand.size`
        self.bad_annotations: set[int] = set()
        self._num_annotations = 0

    def problem(self, file: str, reason: str, *, fatal: bool = False) -> None:
        """A bad file or record; `fatal`: without it the dataset cannot be read at all."""
        (self.fatal if fatal else self.problems).append(Problem(file, reason))

    @contextmanager
    def record(self, name: str) -> Iterator[None]:
        """What goes wrong inside, with a record that is not as it should be, becomes a problem."""
        try:
            yield
        except KeyError as error:
            self.problem(name, f"the key {error} is missing")
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            self.problem(name, str(error))

    def add_annotation(self, record: str, annotation: Annotation) -> int:
        """Its number. `record` names it in the table of problems, as "training_xyz.json#12"."""
        number, self._num_annotations = self._num_annotations, self._num_annotations + 1
        full = _completed(annotation)
        reason = _find_fault(full)
        if reason is not None:
            self.problem(record, reason)
            self.bad_annotations.add(number)
            full = _completed(Annotation())
        self.columns.append(**full._asdict())
        return number

    def add_hand(self, hand: Hand) -> None:
        """One more hand; its picture is looked at later."""
        if not (np.isfinite(hand.box).all() and hand.box[2] > 0):
            self.problem(hand.image, f"hand {hand.place}: the box {list(hand.box)} is no square")
            return
        self.columns.append(
            image=self.add_picture(hand.image, hand.size),
            annotation=hand.annotation,
            split=SPLITS.index(hand.split),
            group=hand.group,
            identity=hand.identity,
            box=hand.box,
            is_left=hand.is_left,
            place=hand.place,
        )

    def add_picture(self, image: str, size: tuple[int, int]) -> int:
        """The number of a picture, to be looked at with or without a hand; `size` as in `Hand`."""
        if image not in self.images:
            self.images[image] = len(self.images)
            self.stated_sizes.extend(size)
        return self.images[image]


def as_array(value: Any, *shape: int) -> np.ndarray:
    """Numbers as float64 of a given shape; null is NaN.

    Raises:
        ValueError: they are no numbers, or of another shape.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"not {' x '.join(map(str, shape))} numbers") from None
    if array.shape != shape:
        found = " x ".join(map(str, array.shape)) or "a single"
        raise ValueError(f"{found} numbers, where {' x '.join(map(str, shape))} are expected")
    return array


def _completed(annotation: Annotation) -> _Complete:
    """Every field in place: what is missing is 0 and invalid, a missing K the identity."""
    uv, uv_valid, xyz, xyz_valid, K, scale = annotation
    if xyz_valid is None:
        xyz_valid = _NONE_VALID if xyz is None else ~_NONE_VALID
    if uv is None and xyz is not None and K is not None:
        uv, uv_valid = _projected(K, xyz, xyz_valid), xyz_valid if uv_valid is None else uv_valid
    if uv_valid is None:
        uv_valid = _NONE_VALID if uv is None else ~_NONE_VALID
    return _Complete(
        uv=_NO_UV if uv is None else np.where(uv_valid[:, None], uv, 0.0),
        uv_valid=uv_valid,
        xyz=_NO_XYZ if xyz is None else np.where(xyz_valid[:, None], xyz, 0.0),
        xyz_valid=xyz_valid,
        K=np.eye(3) if K is None else K,
        scale=scale,
    )


def _projected(K: np.ndarray, xyz: np.ndarray, valid: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # a joint at depth 0 is found as a fault
        return np.where(valid[:, None], project(np.asarray(K), np.asarray(xyz)), 0.0)


def _find_fault(annotation: _Complete) -> str | None:
    """Why a completed annotation cannot be used, or None."""
    uv, uv_valid, xyz, xyz_valid, K, scale = annotation
    if not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0 or K[2].tolist() != [0, 0, 1]:
        return f"K is no camera matrix: {np.asarray(K).tolist()}"
    if not np.isfinite(xyz).all():
        return f"xyz is NaN or infinite at joint {_first_bad(xyz)}"
    has_camera = not np.array_equal(K, np.eye(3))
    if has_camera and (xyz[xyz_valid, 2] <= 0).any():
        return f"joint {int(np.flatnonzero(xyz_valid & (xyz[:, 2] <= 0))[0])} is behind the camera"
    if xyz_valid.sum() > 1 and np.ptp(xyz[xyz_valid], axis=0).max() == 0:
        return "all joints of xyz are at one point"
    if not np.isfinite(uv).all():
        return f"uv is NaN or infinite at joint {_first_bad(uv)}"
    if not np.isfinite(scale) or scale < 0:
        return f"the scale {scale} is no length"
    return _projection_fault(uv, xyz, K, uv_valid & xyz_valid) if has_camera else None


def _first_bad(values: np.ndarray) -> int:
    return int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])


def _projection_fault(
    uv: np.ndarray, xyz: np.ndarray, K: np.ndarray, valid: np.ndarray
) -> str | None:
    error = np.linalg.norm(_projected(K, xyz, valid) - uv, axis=1)[valid]
    if len(error) == 0 or error.max() <= _MAX_PROJECTION_ERROR:
        return None
    return (
        f"K and xyz project {error.max():.0f} px away from uv; "
        "are the units metres and px, and the frame the camera's?"
    )
