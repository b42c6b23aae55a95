"""Reads the JSON that `handpose predict` writes (handpose/predict/schema.json)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handpose.coco_format import CocoHand, ImageHands
from handpose.data.index.collector import as_array
from handpose.files import LARGEST_TABLE, regular
from handpose.skeleton import NUM_JOINTS

SUFFIXES = (".json", ".jsonl")
_SHOWN = 12  # problems


def find_predictions(path: Path, *, apart_from: Path) -> list[Path]:
    """Find the files of predictions: one file, or those of a folder at any depth.

    Args:
        path: as typed.
        apart_from: the output, which may lie in the folder.

    Raises:
        ValueError: there is none.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    if path.is_file():
        return [path]
    found = [file for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES]
    found = [file for file in found if file.resolve() != apart_from.resolve()]
    if not found:
        raise ValueError(f"{path}: no predictions in this folder ({', '.join(SUFFIXES)})")
    return found


def read_predictions(files: list[Path]) -> list[ImageHands]:
    """Read the hands of each image or frame, in the order of the files.

    Args:
        files: .json with one record, or .jsonl with one for each line.

    Raises:
        ValueError: names every file, or line, that is no prediction, with the reason.
    """
    images: dict[str, ImageHands] = {}
    problems: list[str] = []
    for file in files:
        for name, text in _texts(file, problems):
            try:
                image = _image(json.loads(text))
                before = images.get(image.name, image._replace(hands=()))
                if (before.width, before.height) != (image.width, image.height):
                    raise ValueError(f"{image.name} has another size than before")
                images[image.name] = before._replace(hands=(*before.hands, *image.hands))
            except KeyError as error:
                problems.append(f"{name}: no prediction of a hand: the key {error} is missing")
            except (TypeError, ValueError, RecursionError) as error:
                problems.append(f"{name}: no prediction of a hand: {error}")
    if problems:
        more = len(problems) - _SHOWN
        raise ValueError("\n".join(problems[:_SHOWN] + ([f"and {more} more"] if more > 0 else [])))
    return list(images.values())


def frame_name(source: str, frame: int | None) -> str:
    """Return the name of an image, or the name that a frame of a video gets as an image.

    Args:
        source: name of the image, video or camera.
        frame: number of the frame, from 0; None for an image.
    """
    if frame is None:
        return source
    return f"{Path(source.replace(':', '-')).stem}_{frame:06d}.jpg"


def _texts(file: Path, problems: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each record's text and its name in a problem."""
    try:
        text = regular(file, most=LARGEST_TABLE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{file}: cannot be read as text ({error})")
        return
    if file.suffix != ".jsonl":
        yield str(file), text
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"{file}#{number}", line


def _image(record: Any) -> ImageHands:
    """Return the hands of a record: its own, or the list that it has."""
    if not isinstance(record, dict):
        raise ValueError("it is not a JSON object")
    hands = record.get("hands", [record])
    name = frame_name(str(record["source"]), record.get("frame"))
    size = int(record["width"]), int(record["height"])
    return ImageHands(name, *size, tuple(map(_hand, hands)))


def _hand(record: dict[str, Any]) -> CocoHand:
    if record["side"] not in ("left", "right"):
        raise ValueError(f"side is {record['side']!r}, not left or right")
    score, joint_scores = record.get("confidence"), record.get("joint_confidence")
    uv, box = as_array(record["uv_px"], NUM_JOINTS, 2), as_array(record["box_px"], 3)
    if not (np.isfinite(uv).all() and np.isfinite(box).all()):
        raise ValueError("a number is not finite")
    return CocoHand(
        uv,
        record["side"],
        box,
        None if score is None else float(score),
        joint_scores=None if joint_scores is None else as_array(joint_scores, NUM_JOINTS),
    )
