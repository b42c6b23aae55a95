"""Arguments of a prediction, checked before torch is imported."""

import math
from argparse import Namespace
from collections.abc import Sequence

import numpy as np

from handpose.data.index.label_tables import SUFFIXES
from handpose.media.inputs import Input

FORMATS = ("json", "jsonl", "csv", "coco")

# Metres from a wrist to a knuckle: from a small child's to beyond the largest adult's.
_SCALES = (0.03, 0.15)


def numbers(text: str, counts: Sequence[int]) -> list[float]:
    """Reads numbers with commas between them.

    Args:
        counts: allowed numbers of numbers.

    Raises:
        ValueError: they are not numbers, or too many or too few.
    """
    expected = f"write {' or '.join(map(str, counts))} numbers with commas between them"
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        raise ValueError(f"{text}: {expected}") from None
    if len(values) not in counts:
        raise ValueError(f"{text}: {len(values)} numbers; {expected}")
    return values


def camera_matrix(text: str) -> np.ndarray:
    """Reads K (3, 3) from "fx,fy,cx,cy" or from its nine entries in rows."""
    values = numbers(text, (4, 9))
    if len(values) == 4:
        fx, fy, cx, cy = values
        values = [fx, 0, cx, 0, fy, cy, 0, 0, 1]
    return np.array(values).reshape(3, 3)


def formats(text: str) -> tuple[str, ...]:
    """Reads some of `FORMATS` with commas between them.

    Raises:
        ValueError: one of them is unknown.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if unknown := [name for name in names if name not in FORMATS]:
        raise ValueError(f"--format {unknown[0]}: choose some of {','.join(FORMATS)}")
    return names


def smoothing(text: str) -> tuple[float, float]:
    """Reads `min_cutoff` and `beta` of a One Euro filter.

    Raises:
        ValueError: they are not two numbers, or out of range.
    """
    cutoff, beta = numbers(text, (2,))
    if not (cutoff > 0 and beta >= 0 and math.isfinite(cutoff + beta)):
        raise ValueError(f"--smooth {text}: the cutoff must be above 0 Hz, beta at least 0")
    return cutoff, beta


def option_problems(
    options: Namespace, found: Input | None, names: tuple[str, ...] | None
) -> list[str]:
    """Returns what is wrong with the command's options, each or together.

    Args:
        options: of the command line.
        found: the input, if it is right.
        names: formats, if they are given and right.
    """
    problems = [
        f"--{name} {value}: must be at least 1"
        for name in ("batch-size", "frames", "detect-every")
        if (value := getattr(options, name.replace("-", "_"))) is not None and value < 1
    ]
    ways = [name for name in ("detector", "boxes", "box") if getattr(options, name)]
    if len(ways) > 1:
        problems.append(f"--{ways[0]} and --{ways[1]}: give one of them")
    if options.thorough and not options.detector:
        problems.append("--thorough: is for --detector; give one")
    if options.boxes and options.boxes.suffix not in SUFFIXES:
        problems.append(f"--boxes {options.boxes}: give a .csv or a .jsonl file")
    if options.min_confidence is not None and not 0 <= options.min_confidence <= 1:
        problems.append(f"--min-confidence {options.min_confidence:g}: must be 0 to 1")
    if found and options.to.resolve() in {path.parent.resolve() for path in found.files}:
        problems.append(f"--to {options.to}: this is the input's folder; choose another one")
    if found and "coco" in (names or ()) and not found.images:
        problems.append("--format coco: it is for images; choose jsonl or csv for a video")
    return problems


def given_problems(
    box: Sequence[float] | None, K: np.ndarray | None, scale: float | None
) -> list[str]:
    """Returns everything that is wrong with what is given of a hand (see `Given`).

    Args:
        box: centre u, centre v, side, px.
        K: (3, 3) camera matrix.
        scale: length of the reference bone, metres.
    """
    problems = []
    if box is not None and not (len(box) == 3 and all(map(math.isfinite, box)) and box[2] >= 1):
        text = "must be centre u, centre v and side in px, the side at least 1"
        problems.append(f"box {_shown(box)}: {text}")
    if K is not None and (problem := _camera_problem(np.asarray(K, dtype=float))):
        problems.append(f"camera matrix {_shown(np.ravel(K))}: {problem}")
    low, high = _SCALES
    if scale is not None and not low <= scale <= high:
        text = f"must be the length of the reference bone in metres, {low:g} to {high:g}"
        problems.append(f"scale {scale:g}: {text}")
    return problems


def _camera_problem(K: np.ndarray) -> str | None:
    if K.shape != (3, 3) or not np.isfinite(K).all():
        return "must be 3 x 3 numbers"
    if not (K[2] == [0, 0, 1]).all() or K[1, 0] != 0:
        return "must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]]"
    if K[0, 0] <= 1 or K[1, 1] <= 1:
        return "the focal lengths must be in px, more than 1"
    return None


def _shown(values: Sequence[float] | np.ndarray) -> str:
    return ",".join(f"{value:g}" for value in values)
