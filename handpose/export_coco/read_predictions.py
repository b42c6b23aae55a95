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
    outputs = {file for file in found if file.name.endswith(".coco.json")}  # of predict
    outputs |= {file for file in found if file.resolve() == apart_from.resolve()}
    if not set(found) - outputs:
        raise ValueError(f"{path}: no predictions in this folder ({', '.join(SUFFIXES)})")
    return [file for file in found if file not in outputs]


def read_predictions(files: list[Path]) -> list[ImageHands]:
    """Read the hands of each image or frame, in the order of the files.

    Args:
        files: .json with one hand or a list of hands, or .jsonl with one for each line. Several may
            have the same hands.

    Raises:
        ValueError: names every file, or line, that is no prediction, with the reason.
    """
    sources: dict[str, str] = {}
    sizes: dict[str, tuple[int, int]] = {}
    hands: dict[str, dict[int, CocoHand]] = {}
    problems: list[str] = []
    for name, record in (pair for file in files for pair in _records(file, problems)):
        try:
            source = str(record["source"])
            image = frame_name(source, record.get("frame"))
            if (other := sources.setdefault(image, source)) != source:
                raise ValueError(f"{image} would be of {other} and of {source}; export them apart")
            size, hand = (int(record["width"]), int(record["height"])), _hand(record)
            if sizes.setdefault(image, size) != size:
                raise ValueError(f"{image} has another size than before")
            hands.setdefault(image, {}).setdefault(int(record.get("hand", 0)), hand)
        except KeyError as error:
            problems.append(f"{name}: no prediction of a hand: the key {error} is missing")
        except (TypeError, ValueError) as error:
            problems.append(f"{name}: no prediction of a hand: {error}")
    if problems:
        more = len(problems) - _SHOWN
        raise ValueError("\n".join(problems[:_SHOWN] + ([f"and {more} more"] if more > 0 else [])))
    return [
        ImageHands(image, *sizes[image], [own for _, own in sorted(numbered.items())])
        for image, numbered in hands.items()
    ]


def frame_name(source: str, frame: int | None) -> str:
    """Return the name of an image, or the name that a frame of a video gets as an image.

    Args:
        source: name of the image, video or camera.
        frame: number of the frame, from 0; None for an image.
    """
    if frame is None:
        return source
    return f"{Path(source.replace(':', '-')).stem}_{frame:06d}.jpg"


def _records(file: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each record and its name in a problem."""
    try:
        text = regular(file, most=LARGEST_TABLE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{file}: cannot be read as text ({error})")
        return
    texts = {str(file): text}
    if file.suffix == ".jsonl":
        lines = enumerate(text.splitlines(), start=1)
        texts = {f"{file}#{number}": line for number, line in lines if line.strip()}
    for name, one in texts.items():
        try:
            content = json.loads(one)
        except (ValueError, RecursionError) as error:
            problems.append(f"{name}: no prediction of a hand: {error}")
            continue
        for record in content if isinstance(content, list) else [content]:
            if isinstance(record, dict):
                yield name, record
            else:
                problems.append(f"{name}: no prediction of a hand: it is not a JSON object")


def _hand(record: dict[str, Any]) -> CocoHand:
    if record["side"] not in ("left", "right"):
        raise ValueError(f"side is {record['side']!r}, not left or right")
    sure, joint_scores = record.get("confidence"), record.get("joint_confidence")
    score = record.get("score") if sure is None else sure  # of the model, else of the detector
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
