"""Output files of a prediction: drawings, and the numbers as JSON, JSON lines, CSV and COCO."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.coco_format import CocoHand, ImageHands, coco_document
from handpose.files import replacing
from handpose.media.frames import Frame
from handpose.media.image_files import stems, write_jpeg
from handpose.media.video_writer import VideoWriter
from handpose.predict.drawing import draw_hands
from handpose.predict.hand import Hand
from handpose.predict.output_records import COLUMNS, csv_row, record

_QUALITY = 92  # of JPEG


class Style(NamedTuple):
    """What is written."""

    # Some of `arguments.FORMATS`; None: JSON of images, JSON lines of videos.
    formats: tuple[str, ...] | None = None
    draws: bool = True
    is_list: bool = False  # NAME.json has a list of hands; otherwise the one hand that is expected
    min_confidence: float | None = None


@dataclass
class Predicted:
    """A frame with its hands, as every output needs them."""

    frame: Frame
    hands: list[Hand]
    records: list[dict[str, Any]]
    min_confidence: float | None

    @cached_property
    def drawing(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return draw_hands(self.frame.image, self.hands, min_confidence=self.min_confidence)


Writer = Callable[[Predicted], None]


class Outputs:
    """Writes the hands of each frame to every output.

    Args:
        style: what is written.
        writers: of each output.
    """

    def __init__(self, style: Style, writers: Sequence[Writer]) -> None:
        self.style = style
        self.writers = writers

    def write(self, frame: Frame, hands: list[Hand]) -> Predicted:
        """Writes one frame, and returns it as the outputs get it.

        Raises:
            ValueError: a number is not finite; nothing is written.
            OSError: it cannot be written.
        """
        limit = self.style.min_confidence
        records = [
            record(frame, hand, number, min_confidence=limit) for number, hand in enumerate(hands)
        ]
        predicted = Predicted(frame, hands, records, limit)
        for writer in self.writers:
            writer(predicted)
        return predicted


@contextmanager
def image_outputs(folder: Path, names: Sequence[str], style: Style) -> Iterator[Outputs]:
    """Opens the outputs of images: NAME.jpg, NAME.json, or tables `predictions` of all.

    Args:
        folder: where to; images of subfolders go into subfolders.
        names: of all images; those that differ only in their suffix keep it in NAME.
        style: what is written.
    """
    path_of = _paths(folder, names)
    with ExitStack() as stack:
        writers: list[Writer] = []
        for name in style.formats or ("json",):
            if name == "json":
                writers.append(_json_files(path_of, is_list=style.is_list))
            else:
                writers.append(stack.enter_context(_table(folder / "predictions", name)))
        if style.draws:
            writers.append(_drawings(path_of))
        yield Outputs(style, writers)


@contextmanager
def video_outputs(path: Path, rate: Fraction, style: Style) -> Iterator[Outputs]:
    """Opens the outputs of a video: PATH.mp4 and tables.

    Args:
        path: without a suffix.
        rate: frames per second.
        style: what is written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        names = style.formats or ("jsonl",)
        writers = [stack.enter_context(_table(path, name)) for name in names]
        if style.draws:
            video = stack.enter_context(VideoWriter(_with(path, ".mp4"), rate))
            writers.append(lambda done: video.write(done.drawing, done.frame.time))
        yield Outputs(style, writers)


def video_paths(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Returns the path of each video's outputs, without a suffix.

    Args:
        folder: where to.
        names: of all videos of the input.
    """
    path_of = _paths(folder, names)
    return {name: path_of(name) for name in names}


def _paths(folder: Path, names: Sequence[str]) -> Callable[[str], Path]:
    stem_of = stems(names)

    def path_of(name: str) -> Path:
        path = folder / stem_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    return path_of


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")


def _drawings(path_of: Callable[[str], Path]) -> Writer:
    def write(done: Predicted) -> None:
        write_jpeg(_with(path_of(done.frame.source), ".jpg"), done.drawing, quality=_QUALITY)

    return write


def _json_files(path_of: Callable[[str], Path], *, is_list: bool) -> Writer:
    def write(done: Predicted) -> None:
        content = done.records if is_list else done.records[0]
        _with(path_of(done.frame.source), ".json").write_text(json.dumps(content))

    return write


@contextmanager
def _table(path: Path, name: str) -> Iterator[Writer]:
    """Opens a file with the hands of all frames, one after the other.

    Args:
        path: without a suffix.
        name: one of `arguments.FORMATS`.
    """
    if name == "coco":
        with _coco_file(_with(path, ".coco.json")) as write:
            yield write
        return
    with _with(path, f".{name}").open("w", newline="", encoding="utf-8") as file:
        if name == "csv":
            table = csv.writer(file)
            table.writerow(COLUMNS)
            yield lambda done: table.writerows(map(csv_row, done.records))
        elif name == "jsonl":
            yield lambda done: file.writelines(f"{json.dumps(one)}\n" for one in done.records)
        else:
            start = "["

            def write_json(done: Predicted) -> None:
                nonlocal start
                for values in done.records:
                    file.write(f"{start}\n{json.dumps(values)}")
                    start = ","

            try:
                yield write_json
            finally:
                file.write("[]\n" if start == "[" else "\n]\n")


@contextmanager
def _coco_file(path: Path) -> Iterator[Writer]:
    images: list[ImageHands] = []

    def write(done: Predicted) -> None:
        height, width = done.frame.image.shape[:2]
        hands = [_coco_hand(hand) for hand in done.hands]
        images.append(ImageHands(done.frame.source, width, height, hands))

    try:
        yield write
    finally:
        with replacing(path) as partial:
            partial.write_text(json.dumps(coco_document(images)))


def _coco_hand(hand: Hand) -> CocoHand:
    sure = hand.score if hand.confidence is None else hand.confidence
    return CocoHand(hand.uv, hand.side, hand.box, sure, joint_scores=hand.joint_confidence)
