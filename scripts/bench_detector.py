"""`python scripts/bench_detector.py DIR --model hand_landmarker.task [--json OUT.json]`

Compares ways to look for hands: found hands and their landmarks against labels, false finds, and
time. DIR holds labelled datasets in their official layouts, as `paths.data` does: any of freihand,
interhand and mpii. A hand is found if a box overlaps that of its labels with an IoU of 0.35. False
finds are counted on images without a hand: parts of the labelled images beside the hands, rendered
backdrops, and noise. One thread; the first image is not timed.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from handpose.config.checks.overrides import path_argument
from handpose.data.base import joint_box
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.interhand import InterHand
from handpose.data.sources.mpii import MpiiHands
from handpose.data.synthetic.backdrop import paint_backdrop
from handpose.detect.base import Detection, Detector
from handpose.detect.loading import load_detector
from handpose.detect.thorough import (
    ThoroughDetector,
    View,
    first_views,
    overlap,
    seen_in,
    without_repeats,
)
from handpose.records import Sample

SOURCES: dict[str, tuple[Any, dict[str, Any]]] = {
    "freihand": (FreiHand, {"val_fraction": 0.0}),
    "interhand": (InterHand, {}),
    "mpii": (MpiiHands, {"val_fraction": 0.0}),
}
FOUND = 0.35  # IoU
_TRIES, _PARTS = 60, 6  # random parts of an image, and most of them that are kept
_NOISE = 0.15  # of the images without a hand
Ways = dict[str, Callable[[np.ndarray], list[Detection]]]


class Labelled(NamedTuple):
    """An image and all its labelled hands."""

    image: np.ndarray
    hands: list[Sample]


def labelled_images(root: Path, cache: str) -> list[Labelled]:
    """Returns the images of all datasets in `root`; equal images are one, with the hands of all."""
    found: dict[str, Labelled] = {}
    for name, (kind, own) in SOURCES.items():
        if not (root / name).is_dir():
            continue
        dataset = kind(root=str(root / name), cache=cache, image_size=128, split="train", **own)
        for index in range(len(dataset)):
            sample = dataset[index]
            key = hashlib.sha256(sample.image.tobytes()).hexdigest()
            found.setdefault(key, Labelled(sample.image, [])).hands.append(sample)
    if not found:
        raise SystemExit(f"{root}: no {', '.join(SOURCES)} in it")
    return list(found.values())


def true_box(sample: Sample) -> np.ndarray:
    """Returns the box about the labelled joints."""
    return joint_box(sample.uv[sample.uv_valid])


def images_without_hands(labelled: list[Labelled], count: int) -> list[np.ndarray]:
    """Returns parts beside the labelled hands, rendered backdrops and noise.

    Args:
        labelled: where the parts are taken from.
        count: number of backdrops and images of noise.
    """
    rng = np.random.default_rng(0)
    images = [part for one in labelled for part in _parts(rng, one)]
    for number in range(count):
        side = int(rng.integers(128, 513))
        if number < _NOISE * count:
            images.append(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        else:
            images.append(paint_backdrop(rng, side).astype(np.uint8))
    return images


def _parts(rng: np.random.Generator, one: Labelled) -> list[np.ndarray]:
    parts: list[np.ndarray] = []
    for _ in range(_TRIES):
        side = int(rng.integers(60, min(one.image.shape[:2]) // 1.3))
        top, left = (int(rng.integers(0, extent - side)) for extent in one.image.shape[:2])
        centre = np.array([left, top]) + side / 2
        boxes = [true_box(sample) for sample in one.hands]
        if all(np.abs(box[:2] - centre).max() > (1.1 * box[2] + side) / 2 for box in boxes):
            parts.append(np.ascontiguousarray(one.image[top : top + side, left : left + side]))
    return parts[:_PARTS]


def padded(image: np.ndarray, share: float) -> View:
    """Returns the image with a black border, a share of the longer side wide."""
    pad = round(share * max(image.shape[:2]))
    view = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
    return View(view, np.array([[1.0, 0, pad], [0, 1, pad]]))


def turned(image: np.ndarray, turns: int) -> View:
    """Returns the image after quarter turns against the clock."""
    height, width = image.shape[:2]
    affine = {
        0: [[1, 0, 0], [0, 1, 0]],
        1: [[0, 1, 0], [-1, 0, width - 1]],
        2: [[-1, 0, width - 1], [0, -1, height - 1]],
        3: [[0, -1, height - 1], [1, 0, 0]],
    }[turns]
    return View(np.ascontiguousarray(np.rot90(image, turns)), np.array(affine, dtype=float))


def union(views: Callable[[np.ndarray], Iterator[View]], detector: Detector) -> Detector:
    """Returns a detector of what is found in any of the views."""
    return lambda image: without_repeats(
        hand for view in views(image) for hand in seen_in(view, detector)
    )


class Counted:
    """A detector that counts its calls in `calls`, together with all others."""

    calls = 0

    def __init__(self, detector: Detector) -> None:
        self.detector = detector

    def __call__(self, image: np.ndarray) -> list[Detection]:
        Counted.calls += 1
        return self.detector(image)


def ways_to_look(model: str) -> Ways:
    """Returns the ways by their names."""
    faint, strict = (Counted(load_detector(model, min_score=score)) for score in (0.3, 0.5))
    return {
        "once": faint,
        "once, min. 0.5": strict,
        "padded by 1/4": union(lambda image: iter([padded(image, 0.25)]), faint),
        "padded by 1/2": union(lambda image: iter([padded(image, 0.5)]), faint),
        "4 quarter turns": union(lambda image: (turned(image, n) for n in range(4)), faint),
        "image and parts": union(first_views, faint),
        "--thorough": ThoroughDetector(faint, strict, min_score=0.3, num_hands=4),
    }


def measure(detector: Detector, labelled: list[Labelled], empty: list[np.ndarray]) -> dict:
    """Returns the numbers of one way."""
    detector(labelled[0].image)
    found, sides, errors, seconds = 0, 0, [], 0.0
    Counted.calls = 0
    for image, samples in labelled:
        start = time.perf_counter()
        hands = detector(image)
        seconds += time.perf_counter() - start
        for sample in samples:
            box = true_box(sample)
            best = max(hands, key=lambda hand: overlap(hand.box, box), default=None)
            if best is not None and overlap(best.box, box) >= FOUND:
                found, sides = found + 1, sides + (best.side == sample.side)
                distance = np.linalg.norm(best.uv - sample.uv, axis=1)[sample.uv_valid]
                errors.append(float(distance.mean() / box[2]))
    calls = Counted.calls
    false = sum(bool(detector(image)) for image in empty)
    return {
        "hands": sum(len(one.hands) for one in labelled),
        "found": found,
        "right_side": sides,
        "error_pct_of_box": 100 * float(np.mean(errors)) if errors else None,
        "without_hand": len(empty),
        "false": false,
        "looks_per_image": calls / len(labelled),
        "ms_per_image": 1e3 * seconds / len(labelled),
    }


def main() -> None:
    """Measures, prints, and writes the numbers to --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=path_argument, metavar="DIR")
    parser.add_argument("--model", required=True)
    parser.add_argument("--empty", type=int, default=200, help="backdrops and noise (default: 200)")
    parser.add_argument("--json", type=path_argument, metavar="PATH")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        labelled = labelled_images(arguments.root, cache)
        empty = images_without_hands(labelled, arguments.empty)
        results = {
            name: measure(detector, labelled, empty)
            for name, detector in ways_to_look(arguments.model).items()
        }
    columns = ("found", "right side", "error, %", "false finds", "looks", "ms")
    table = Table("", *columns, caption="error in % of the box; looks and ms per labelled image")
    for name, one in results.items():
        table.add_row(
            name,
            f"{one['found']} of {one['hands']}",
            str(one["right_side"]),
            "" if one["error_pct_of_box"] is None else f"{one['error_pct_of_box']:.1f}",
            f"{one['false']} of {one['without_hand']}",
            f"{one['looks_per_image']:.1f}",
            f"{one['ms_per_image']:.0f}",
        )
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
