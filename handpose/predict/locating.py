"""Finds the hands of frames: by a detector, a table of boxes, or a first pass of the model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.data.index import label_tables as tables
from handpose.data.index.collector import as_array
from handpose.data.index.problems import ProblemList, as_lines
from handpose.detect.base import Detector
from handpose.media.frames import Frame
from handpose.predict.hand import Given, as_sample, detected
from handpose.predict.hand_pose import HandPose
from handpose.predict.tracking import match

# The hands of each frame.
Finder = Callable[[Sequence[Frame]], list[list[Given]]]

_TEXTS = ("image", "side", "group")
_FORMAT = tables.RowFormat(
    texts=_TEXTS,
    numbers={"box": [["box_u", "box_v", "box_side"]], "frame": [["frame"]]},
    keys=(*_TEXTS, "box", "frame"),
)


class Located(NamedTuple):
    """A frame and what is known of its hands."""

    frame: Frame
    given: list[Given]


def by_detector(detector: Detector, given: Given) -> Finder:
    """Finds the hands that a detector finds.

    Args:
        given: what is known of all hands.
    """
    return lambda frames: [
        detected(detector(frame.image), given, frame.image.shape) for frame in frames
    ]


def by_first_pass(hand_pose: HandPose, given: Given) -> Finder:
    """Finds one hand in each frame: by its given box, else by a first pass over the middle.

    Args:
        given: what is known of all hands.
    """

    def find(frames: Sequence[Frame]) -> list[list[Given]]:
        usable = [frame for frame in frames if _problem(frame, given) is None]
        found = hand_pose.find_boxes([frame.image for frame in usable], [given] * len(usable))
        boxes = iter(found)
        return [[given if _problem(frame, given) else next(boxes)] for frame in frames]

    return find


def by_table(path: Path, given: Given) -> tuple[Finder, set[str]]:
    """Finds the hands that a table lists; a frame without a row has none.

    Args:
        path: a .csv or .jsonl in the form of dataset=folder's boxes (see
            `handpose.data.sources.folder`), for videos with the number of the frame in `frame`.
        given: what is known of all hands.

    Returns:
        The finder, and the names of the images and videos in the table.

    Raises:
        ValueError: the table cannot be read; names every wrong row.
    """
    rows: dict[tuple[str, int | None], list[Given]] = {}
    problems = ProblemList()
    for record, row in tables.table_rows(problems, path, path.name, _FORMAT):
        with problems.record(record):
            name, number, hand = _read_row(row, given)
            rows.setdefault((name, number), []).append(hand)
    if found := problems.fatal + problems.problems:
        raise ValueError(f"{path}: its rows cannot be used\n{as_lines(found)}")

    def find(frames: Sequence[Frame]) -> list[list[Given]]:
        return [rows.get((frame.source, frame.number), []) for frame in frames]

    return find, {name for name, _ in rows}


def _read_row(row: Mapping[str, Any], given: Given) -> tuple[str, int | None, Given]:
    image, side, box, frame = row["image"], row.get("side"), row.get("box"), row.get("frame")
    if side not in (None, "left", "right"):
        raise ValueError(f"side is {side!r}, not left or right")
    frame = frame[0] if isinstance(frame, list) else frame  # a column is read as an array
    if frame is not None and (frame < 0 or frame != int(frame)):
        raise ValueError(f"frame is {frame}, not a number from 0")
    if box is not None:
        u, v, length = as_array(box, 3).tolist()
        if not (np.isfinite([u, v, length]).all() and length >= 1):
            raise ValueError(
                f"the box {box} is not centre u, centre v and side in px, the side at least 1"
            )
        given = given._replace(box=(u, v, length))
    number = None if frame is None else int(frame)
    return image, number, given._replace(side=given.side or side)


def located(
    frames: Iterator[Frame | ValueError], find: Finder, *, batch_size: int, every: int = 1
) -> Iterator[list[Located | ValueError]]:
    """Yields batches of frames with their hands, and the reasons why others have none.

    Args:
        frames: images, or the reasons why they could not be read.
        find: finds the hands.
        batch_size: frames of a batch.
        every: of a batch's frames, hands are found in every `every`-th and the last; those between
            get boxes between those of both.
    """
    while batch := list(islice(frames, batch_size)):
        good = [frame for frame in batch if isinstance(frame, Frame)]
        keys = sorted({*range(0, len(good), every), len(good) - 1}) if good else []
        found = dict(zip(keys, find([good[key] for key in keys]), strict=True))
        for start, end in pairwise(keys):
            found |= _between(start, end, found[start], found[end])
        hands = iter([found[number] for number in range(len(good))])
        yield [
            one
            for item in batch
            for one in (_checked(item, next(hands)) if isinstance(item, Frame) else [item])
        ]


def _between(
    start: int, end: int, before: list[Given], after: list[Given]
) -> dict[int, list[Given]]:
    """Hands of the frames between two: moved evenly, or from the nearer one if in it alone."""
    pairs = match([_place(one) for one in before], [_place(one) for one in after])
    alone = (
        [one for row, one in enumerate(before) if row not in dict(pairs)],
        [one for row, one in enumerate(after) if row not in dict(pairs).values()],
    )
    frames = {}
    for number in range(start + 1, end):
        part = (number - start) / (end - start)
        moved = [_mixed(before[first], after[second], part) for first, second in pairs]
        frames[number] = moved + alone[part >= 0.5]
    return frames


def _place(given: Given) -> tuple[np.ndarray, str | None]:
    return np.array(given.box or (0.0, 0.0, 1.0)), given.side


def _mixed(before: Given, after: Given, part: float) -> Given:
    nearer = after if part >= 0.5 else before
    if before.box is None or after.box is None:
        return nearer
    u, v, side = ((1 - part) * np.array(before.box) + part * np.array(after.box)).tolist()
    note = nearer.box_note and f"{nearer.box_note}, here between those of two frames"
    return nearer._replace(box=(u, v, side), box_note=note)


def _checked(frame: Frame, given: list[Given]) -> list[Located | ValueError]:
    """The frame with the hands that can be cropped, and the reasons why others cannot."""
    reasons = [_problem(frame, one) for one in given] or [_problem(frame, Given())]
    wrong: list[Located | ValueError] = [r for r in reasons if r is not None]
    if wrong and len(wrong) == len(reasons):
        return wrong[:1]
    good = [one for one, reason in zip(given, reasons, strict=False) if reason is None]
    return [Located(frame, good), *wrong]


def _problem(frame: Frame, given: Given) -> ValueError | None:
    try:
        as_sample(frame.image, given)
    except ValueError as error:
        place = "" if frame.number is None else f", frame {frame.number}"
        return ValueError(f"{frame.source}{place}: {error}")
    return None
