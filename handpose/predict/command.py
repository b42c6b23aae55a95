"""Predict hands in images, videos or of a camera, with the model of a finished run.

INPUT is an image, a folder, a quoted pattern ("DIR/*.jpg"), a .txt list of paths, a video, 0 for
the camera, or - for paths from standard input. Writes each image or video with the skeletons drawn,
and the numbers as JSON (handpose/predict/schema.json), JSON lines, CSV or COCO keypoints.

Without --detector and --boxes, one hand is expected in each image, and one is drawn even where
there is none. It should fill most of the middle, or --box says where it is. What is not given is
assumed, and the JSON says so.
"""

import argparse
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpose.config.checks.folders import require_writable
from handpose.config.checks.overrides import path_argument
from handpose.config.errors import ends_with_message, refuse_arguments
from handpose.media.inputs import FORMS, Input, find_input
from handpose.pipeline.run_directory import finished_config
from handpose.predict.arguments import (
    camera_matrix,
    formats,
    given_problems,
    numbers,
    option_problems,
    smoothing,
)

if TYPE_CHECKING:
    from handpose.predict.hand_pose import HandPose
    from handpose.predict.job import Done


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    add = parser.add_argument
    add("run", type=path_argument, metavar="RUN", help="directory of a finished run")
    add("input", metavar="INPUT", help=FORMS)
    add("--recursive", action="store_true", help="include the subfolders of a folder")
    add("--frames", type=int, metavar="N", help="first N frames of a video or camera only")
    add = parser.add_argument_group("where the hands are").add_argument
    add("--detector", metavar="MODEL", help="find any number of hands: a hand_landmarker.task (see "
        "`handpose detect`), or package.module:function of your own")
    add("--thorough", action="store_true", help="the detector looks at parts of an image too, and "
        "again at each hand: more hands, fewer false ones, about 10 looks an image")
    add("--boxes", type=path_argument, metavar="FILE", help="any number of hands, from a .csv or "
        ".jsonl in the form of dataset=folder's boxes; for videos with a column frame")
    add("--box", metavar="U,V,SIDE", help="centre and side in px of a square around the one hand "
        "(default: found by a first pass over the image's centre)")
    add("--detect-every", type=int, default=5, metavar="N", help="find hands in every N-th frame "
        "of a video, and move their boxes evenly in between (default: 5; 1: in every frame)")
    add("--side", choices=("left", "right"), help="side of all hands (default: of the detector or "
        "FILE, else right)")
    add("--camera-matrix", metavar="K", help="FX,FY,CX,CY in px, or nine numbers in rows")
    add("--scale", type=float, metavar="METRES", help="length of the run's reference bone, from "
        "the wrist to the index (or middle) MCP (default: a mean adult's)")
    add = parser.add_argument_group("what is written").add_argument
    add("--to", type=path_argument, default=Path("predictions"), metavar="DIR",
        help="output folder (default: ./predictions)")
    add("--format", metavar="LIST", help="some of json,jsonl,csv,coco (default: json for images, "
        "jsonl for videos)")
    add("--no-images", action="store_true", help="write no drawings")
    add("--min-confidence", type=float, metavar="C", help="draw hands and joints below C (0 to 1) "
        "faint, and mark them in the JSON")
    add("--smooth", nargs="?", const="1.5,10", metavar="CUTOFF,BETA", help="smooth videos by One "
        "Euro filters (default: 1.5,10: hertz at rest, rise with speed)")
    add("--show", action="store_true", help="show the drawings in a window; q or Esc stops")
    add = parser.add_argument_group("speed").add_argument
    add("--batch-size", type=int, default=16, metavar="N", help="images at once (default: 16)")
    add("--device", default="auto", help="auto (default; a GPU if there is one), cpu, cuda, cuda:1")
    # fmt: on
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Checks the arguments, then predicts; exits with 1 if nothing was predicted."""
    arguments = _parsed(argv)
    finished_config(arguments.run)  # refuses a run that is not finished
    read = _checked(arguments)
    found: Input = read["input"]
    require_writable("--to", arguments.to)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    with ends_with_message():
        done = _predict(arguments, read)
    what = ("image" if found.images else "frame") + "s" * (done.written != 1)
    others = f", {found.others} other files" if found.others else ""
    is_many = arguments.detector or arguments.boxes
    hands = f" with {done.hands} hand{'s' * (done.hands != 1)}" if is_many else ""
    print(f"{arguments.to}: {done.written} {what}{hands}, {done.skipped} skipped{others}")
    for sentence in done.assumed:
        print(f"assumed: {sentence}")
    if done.written == 0:
        raise SystemExit(1)


def _predict(arguments: argparse.Namespace, read: dict[str, Any]) -> "Done":
    from handpose.predict.hand import Given
    from handpose.predict.hand_pose import HandPose
    from handpose.predict.job import Job, Work
    from handpose.predict.locating import by_detector, by_first_pass, by_table
    from handpose.predict.output_files import Style
    from handpose.predict.window import show, window_problem

    if arguments.show and (problem := window_problem()):
        raise ValueError(problem)
    given = Given(read["box"], read["camera_matrix"], arguments.side, arguments.scale)
    is_many = bool(arguments.detector or arguments.boxes)
    if arguments.detector:
        from handpose.detect.loading import load_detector

        detector = load_detector(arguments.detector, thorough=arguments.thorough)
        find = by_detector(detector, given)
    elif arguments.boxes:
        find, names = by_table(arguments.boxes, given)
        _compare_names(arguments.boxes, names, read["input"])
    hand_pose = HandPose.from_run(arguments.run, device=arguments.device)
    hand_pose.use_all_cores()
    if arguments.min_confidence is not None:
        _require_confidence(hand_pose)
    if not is_many:
        find = by_first_pass(hand_pose, given)
    style = Style(read["format"], not arguments.no_images, is_many, arguments.min_confidence)
    work = Work(
        find,
        arguments.to,
        style,
        batch_size=arguments.batch_size,
        every=1 if arguments.boxes else arguments.detect_every,
        smoothing=read["smooth"],
        show=show if arguments.show else None,
    )
    return Job(hand_pose, work).run(read["input"], limit=arguments.frames)


def _compare_names(boxes: Path, names: set[str], found: Input) -> None:
    """Refuses a table of boxes that names no file of the input; tells which it names in vain."""
    absent = sorted(names.difference(map(found.name, found.files)))
    if len(absent) == len(names):
        raise ValueError(
            f"--boxes {boxes}: names no file of INPUT; its paths are relative to "
            f"{found.root or 'the folder of INPUT'}"
        )
    if absent:
        print(f"{boxes}: {len(absent)} of its files are not in INPUT: {absent[0]} ...")


def _require_confidence(hand_pose: "HandPose") -> None:
    if reason := hand_pose.no_confidence():
        raise ValueError(f"--min-confidence: {reason}")
    if note := hand_pose.model.confidence_note:
        print(f"confidence: {note}")


def _checked(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the arguments that are read from text; refuses with all problems at once."""
    readers: dict[str, Callable[[str], Any]] = {
        "input": partial(find_input, recursive=arguments.recursive),
        "box": lambda text: tuple(numbers(text, (3,))),
        "camera_matrix": camera_matrix,
        "format": formats,
        "smooth": smoothing,
    }
    read: dict[str, Any] = {}
    problems: list[str] = []
    for name, reader in readers.items():
        text = getattr(arguments, name)
        try:
            read[name] = None if text is None else reader(text)
        except ValueError as error:
            problems.append(str(error))
    problems += given_problems(read.get("box"), read.get("camera_matrix"), arguments.scale)
    problems += option_problems(arguments, read.get("input"), read.get("format"))
    if problems:
        refuse_arguments(problems)
    return read
