"""Predict the hand in an image, in each image of a folder, in a video or of a camera (camera:0).

Writes each image, or the video, with the skeleton drawn, and the numbers as JSON
(handpose/predict/schema.json). What is not given is assumed, and the JSON says so. One hand is
expected in each image; without --box it should fill most of the middle. A camera's video has the
camera's own rate: if predictions are slower than its frames, the video plays too fast.
"""

import argparse
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

from handpose.config.checks.folders import require_writable
from handpose.config.checks.overrides import path_argument
from handpose.config.errors import ends_with_message
from handpose.media.inputs import FORMS, Input, find_input
from handpose.pipeline.run_directory import finished_config
from handpose.predict.arguments import camera_matrix, given_problems, numbers


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("run", type=path_argument, metavar="RUN", help="directory of a finished run")
    add("input", metavar="INPUT", help=FORMS)
    add("--recursive", action="store_true", help="include the images of subfolders")
    add("--to", type=path_argument, default=Path("predictions"), metavar="DIR",
        help="output folder (default: ./predictions)")  # fmt: skip
    add("--box", metavar="U,V,SIDE", help="centre and side in px of a square around the hand "
        "(default: found by a first pass over the image's centre)")  # fmt: skip
    add("--camera-matrix", metavar="K", help="FX,FY,CX,CY in px, or nine numbers in rows")
    add("--side", choices=("left", "right"), help="side of the hand (default: right)")
    add("--scale", type=float, metavar="METRES", help="length of the run's reference bone, from "
        "the wrist to the index (or middle) MCP (default: a mean adult's)")  # fmt: skip
    add("--batch-size", type=int, default=16, metavar="N", help="images at once (default: 16)")
    add("--frames", type=int, metavar="N", help="first N frames of a video or camera only")
    add("--device", default="auto", help="auto (default; a GPU if there is one), cpu, cuda, cuda:1")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Checks the arguments, then predicts; exits with 1 if nothing was predicted."""
    arguments = _parsed(argv)
    finished_config(arguments.run)  # refuses a run that is not finished
    found, known = _checked(arguments)
    require_writable("--to", arguments.to)
    logging.basicConfig(format="%(message)s", level=logging.INFO)

    from handpose.predict.hand_pose import Given, HandPose
    from handpose.predict.job import Job

    with ends_with_message():
        hand_pose = HandPose.from_run(arguments.run, device=arguments.device)
        given = Given(**known, side=arguments.side, scale=arguments.scale)
        job = Job(hand_pose, given, arguments.to, arguments.batch_size)
        done = job.run(found, limit=arguments.frames)
    what = ("image" if found.images else "frame") + "s" * (done.written != 1)
    others = f", {found.others} other files" if found.others else ""
    print(f"{arguments.to}: {done.written} {what}, {done.skipped} skipped{others}")
    for sentence in done.assumed:
        print(f"assumed: {sentence}")
    if done.written == 0:
        raise SystemExit(1)


def _checked(arguments: argparse.Namespace) -> tuple[Input, dict[str, Any]]:
    """Returns the input, and the given box and K; refuses with all problems at once."""
    readers: dict[str, Any] = {
        "input": partial(find_input, recursive=arguments.recursive),
        "box": lambda text: tuple(numbers(text, (3,))),
        "camera_matrix": camera_matrix,
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
    for name, value in (("batch-size", arguments.batch_size), ("frames", arguments.frames)):
        if value is not None and value < 1:
            problems.append(f"--{name} {value}: must be at least 1")
    found = read.get("input")
    if found and arguments.to.resolve() in {path.parent.resolve() for path in found.files}:
        problems.append(f"--to {arguments.to}: this is the input's folder; choose another one")
    if problems:
        name = Path(sys.argv[0]).name
        raise SystemExit("\n".join(f"{name}: {problem}" for problem in problems))
    return read["input"], {"box": read["box"], "K": read["camera_matrix"]}
