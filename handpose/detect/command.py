"""Detect the hands in images, videos or of a camera: boxes, sides, scores and 21 landmarks.

Writes JSON lines (one for each image or frame), or the table of boxes that `dataset=folder` and
`handpose predict --boxes` read. Needs the extra `detect`: pip install "handpose[detect]", or
pip install -e ".[detect]" in a checkout. The model file is hand_landmarker.task, which Google
publishes at https://ai.google.dev/edge/mediapipe/solutions/vision/hand_landmarker#models; where
only a package index is reachable, `handpose detect --make-model hand_landmarker.task` makes one.
"""

import argparse
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from handpose.config.checks.folders import require_writable
from handpose.config.checks.overrides import path_argument
from handpose.config.errors import ends_with_message, refuse_arguments
from handpose.detect import DEFAULT_MIN_SCORE, DEFAULT_NUM_HANDS
from handpose.detect.model_file import PUBLISHED
from handpose.media.inputs import FORMS, Input, find_input

_SUFFIXES = (".jsonl", ".csv")


def main(argv: list[str] | None = None) -> None:
    """Checks the arguments, then detects; exits with 1 if nothing could be read."""
    arguments = _parsed(argv)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    if arguments.make_model:
        return _make_model(arguments.make_model)
    found = _checked(arguments)
    require_writable("--to", arguments.to.parent)
    if arguments.draw:
        require_writable("--draw", arguments.draw)
    with ends_with_message():
        _detect(found, arguments)


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("input", nargs="?", metavar="INPUT", help=FORMS)
    add("--model", metavar="MODEL", help="hand_landmarker.task, or package.module:function: a "
        "detector of your own")  # fmt: skip
    add("--to", type=path_argument, default=Path("hands.jsonl"), metavar="FILE",
        help="output, .jsonl or .csv (default: ./hands.jsonl)")  # fmt: skip
    add("--draw", type=path_argument, metavar="DIR", help="write each image, or the video, with "
        "boxes and landmarks drawn")  # fmt: skip
    add("--min-score", type=float, default=DEFAULT_MIN_SCORE, metavar="S",
        help=f"leave out hands below it, 0 to 1 (default: {DEFAULT_MIN_SCORE})")  # fmt: skip
    add("--num-hands", type=int, default=DEFAULT_NUM_HANDS, metavar="N",
        help=f"most hands in an image (default: {DEFAULT_NUM_HANDS})")  # fmt: skip
    add("--thorough", action="store_true", help="look at parts of the image too, and again at each "
        "hand: more hands, fewer false ones, about 10 looks an image")  # fmt: skip
    add("--recursive", action="store_true", help="include subfolders")
    add("--every", type=float, default=0.0, metavar="SECONDS",
        help="time between two frames of a video (default: 0, all frames)")  # fmt: skip
    add("--frames", type=int, metavar="N", help="first N frames of a video or camera only")
    add("--make-model", type=path_argument, metavar="FILE", help="make hand_landmarker.task from a "
        "wheel of mediapipe 0.10.21 (downloads 36 MB with pip)")  # fmt: skip
    return parser.parse_args(argv)


def _make_model(path: Path) -> None:
    from handpose.detect.make_model import MEGABYTES, WHEEL, make_model

    print(f"downloading {WHEEL}, {MEGABYTES} MB, with pip")
    with ends_with_message():
        make_model(path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; Apache-2.0, by Google")


def _checked(arguments: argparse.Namespace) -> Input:
    """Returns the input; refuses with all problems at once."""
    problems: list[str] = []
    found = None
    if arguments.input is None:
        problems.append(f"INPUT is missing: give an {FORMS}")
    else:
        try:
            found = find_input(arguments.input, recursive=arguments.recursive)
        except ValueError as error:
            problems.append(str(error))
    if arguments.model is None:
        problems.append(
            f"--model is missing: give hand_landmarker.task, from {PUBLISHED} or made with "
            "`handpose detect --make-model hand_landmarker.task`"
        )
    if arguments.to.suffix not in _SUFFIXES:
        problems.append(f"--to {arguments.to}: give a .jsonl or a .csv file")
    if not 0 <= arguments.min_score <= 1:
        problems.append(f"--min-score {arguments.min_score}: must be 0 to 1")
    for name, value, least in (
        ("num-hands", arguments.num_hands, 1),
        ("frames", arguments.frames, 1),
        ("every", arguments.every, 0),
    ):
        if value is not None and not value >= least:
            problems.append(f"--{name} {value}: must be at least {least}")
    folders = {path.parent.resolve() for path in found.files} if found else set()
    if arguments.draw and arguments.draw.resolve() in folders:
        problems.append(f"--draw {arguments.draw}: this is the input's folder; choose another one")
    if problems:
        refuse_arguments(problems)
    assert found is not None
    return found


def _detect(found: Input, arguments: argparse.Namespace) -> None:
    from handpose.detect.job import detect_all
    from handpose.detect.loading import load_detector
    from handpose.detect.output_files import writer
    from handpose.report.detections import drawing_writer

    detector = load_detector(
        arguments.model,
        min_score=arguments.min_score,
        num_hands=arguments.num_hands,
        thorough=arguments.thorough,
    )
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    has_frames = bool(found.videos) or found.camera is not None
    names = [found.name(path) for path in found.files]
    with ExitStack() as stack:
        writers: list[Any] = [stack.enter_context(writer(arguments.to, has_frames=has_frames))]
        if arguments.draw:
            writers.append(stack.enter_context(drawing_writer(arguments.draw, names)))
        done = detect_all(found, detector, writers, every=arguments.every, limit=arguments.frames)
    what = "frame" if has_frames and not found.images else "image"
    print(
        f"{arguments.to}: {_counted(done.frames, what)}, {_counted(done.hands, 'hand')}, "
        f"{_counted(done.empty, what)} without a hand"
        + (f", {done.skipped} skipped" if done.skipped else "")
        + (f", {found.others} other files" if found.others else "")
    )
    if done.frames == 0:
        raise SystemExit(1)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
