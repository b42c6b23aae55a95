"""What a reader finds in a dataset root: annotations, hands, problems and counts."""

from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from handpose.data.base import SPLITS, Split
from handpose.data.index.annotation import Annotation, completed, find_fault, is_number
from handpose.data.index.columns import Columns, Schema
from handpose.data.index.problems import Problem
from handpose.files import shown

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

_IN_THE_MIDDLE = np.full(3, np.nan)  # of a picture whose size is not known yet


class Hand(NamedTuple):
    """One hand in one picture."""

    image: str  # path relative to the root
    annotation: int  # as `Collector.add_annotation` numbered it
    split: Split
    # (3,) centre u, centre v, side in px, not from joint labels where possible; None: the largest
    # square in the middle of the picture
    box: np.ndarray | None
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
        # Whether images are turned as their EXIF says; None: not known, and refused if one is.
        self.upright: bool | None = False
        self.problems: list[Problem] = []
        self.warnings: list[str] = []  # what is unusual
        self.fatal: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.images: dict[str, int] = {}  # path: number
        self.stated_sizes = array("i")  # width, height of each, as `Hand.size`
        self.bad_annotations: set[int] = set()
        self.records: list[str] = []  # the name of each annotation

    def problem(self, file: str, reason: str, *, fatal: bool = False) -> None:
        """A bad file or record; `fatal`: without it the dataset cannot be read at all."""
        (self.fatal if fatal else self.problems).append(Problem(shown(file), shown(reason)))

    def turned(self, images: list[str]) -> None:
        """Says which images EXIF would turn, where the labels may be of either form."""
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

    @contextmanager
    def record(self, name: str) -> Iterator[None]:
        """What goes wrong inside, with a record that is not as it should be, becomes a problem."""
        try:
            yield
        except KeyError as error:
            self.problem(name, f"the key {error} is missing")
        except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            self.problem(name, str(error))

    def add_annotation(self, record: str, annotation: Annotation) -> int:
        """Its number. `record` names it in the table of problems, as "training_xyz.json#12"."""
        number = len(self.records)
        self.records.append(record)
        full = completed(annotation)
        reason = find_fault(full)
        if reason is not None:
            self.problem(record, reason)
            self.bad_annotations.add(number)
            full = completed(Annotation())
        self.columns.append(**full._asdict())
        return number

    def add_hand(self, hand: Hand) -> None:
        """One more hand; its picture is looked at later."""
        if shown(hand.image) != hand.image:
            self.problem(hand.image, "its name is not UTF-8; rename it")
            return
        box, is_told = hand.box, hand.annotation in self.bad_annotations
        if not is_told and box is not None and not (is_number(box) and box[2] > 0):
            box_shown = np.asarray(box, dtype=float).tolist()
            self.problem(hand.image, f"hand {hand.place}: the box {box_shown} is no square")
            return
        self.columns.append(
            image=self.add_picture(hand.image, hand.size),
            annotation=hand.annotation,
            split=SPLITS.index(hand.split),
            group=hand.group,
            identity=hand.identity,
            box=_IN_THE_MIDDLE if box is None else box,
            is_left=hand.is_left,
            place=hand.place,
        )

    def add_picture(self, image: str, size: tuple[int, int]) -> int:
        """The number of a picture, to be looked at with or without a hand; `size` as in `Hand`."""
        if image not in self.images:
            self.images[image] = len(self.images)
            self.stated_sizes.extend(size)
        return self.images[image]
