"""`python scripts/predict.py RUN INPUT [--box U,V,SIDE] [--camera-matrix FX,FY,CX,CY] [--side left]
[--scale METRES] [--recursive] [--to DIR]`

Predicts the hand in a picture, in each picture of a folder, in a video or before a camera
(camera:0), and writes the picture or video with the skeleton drawn, and the numbers as JSON
(handpose/predict/schema.json). What is not given is assumed, and the JSON says so. One hand is
expected in each picture: without --box one that fills most of its middle. A camera's video is at
the camera's own rate: where predictions come slower than its frames, it plays too fast.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from handpose.config.folders import require_writable
from handpose.config.prediction import (
    Input,
    camera_matrix,
    find_input,
    given_problems,
    numbers,
)
from handpose.config.refusal import ends_with_message
from handpose.config.writing import path_argument
from handpose.pipeline.run_directory import finished_config


def parsed() -> argparse.Namespace:
    """The command line, its words not yet checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("run", type=path_argument, metavar="RUN", help="directory of a finished run")
    add("input", metavar="INPUT", help="a picture, a folder of them, a video, or camera:0")
    add("--recursive", action="store_true", help="images of the folders in a folder too")
    add("--to", type=path_argument, default=Path("predictions"), metavar="DIR",
        help="./predictions")  # fmt: skip
    add("--box", metavar="U,V,SIDE", help="centre and side in px of a square about the hand; "
        "without it a first pass over the picture's centre finds one")  # fmt: skip
    add("--camera-matrix", metavar="K", help="FX,FY,CX,CY in px, or nine numbers in rows")
    add("--side", choices=("left", "right"), help="of the hand; right unless said otherwise")
    add("--scale", type=float, metavar="METRES", help="length of the run's reference bone, from "
        "the wrist to the index (or middle) MCP; a mean adult's unless said otherwise")  # fmt: skip
    add("--batch-size", type=int, default=16, metavar="N", help="16")
    add("--frames", type=int, metavar="N", help="of a video or camera the first N alone")
    add("--device", default="auto", help="auto (a GPU where there is one), cpu, cuda, cuda:1")
    return parser.parse_args()


def main() -> None:
    """Checks before anything heavy is imported, then predicts; exits with 1 if nothing came."""
    arguments = parsed()
    finished_config(arguments.run)  # refuses what is no finished run
    found, known = _checked(arguments)
    require_writable("--to", arguments.to)
    from rich.console import Console

    from handpose.predict import Given, HandPose
    from handpose.predict.job import Job

    console = Console()
    with ends_with_message():
        hand_pose = HandPose.from_run(arguments.run, device=arguments.device)
        given = Given(**known, side=arguments.side, scale=arguments.scale)
        job = Job(hand_pose, given, arguments.to, batch_size=arguments.batch_size, console=console)
        done = job.run(found, limit=arguments.frames)
    what = ("picture" if found.kind == "pictures" else "frame") + "s" * (done.written != 1)
    others = f", {found.left_out} other files" if found.left_out else ""
    console.print(
        f"{arguments.to}: {done.written} {what}, {done.left_out} left out{others}",
        markup=False,
        soft_wrap=True,
    )
    if done.written == 0:
        raise SystemExit(1)


def _checked(arguments: argparse.Namespace) -> tuple[Input, dict[str, Any]]:
    """The input, and the box and K that are given. Refuses with all that is wrong."""
    readers: dict[str, Callable[[str], Any]] = {
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
    problems += [
        f"--{name}: a whole number from 1 on is expected"
        for name in ("batch-size", "frames")
        if (value := getattr(arguments, name.replace("-", "_"))) is not None and value < 1
    ]
    found = read.get("input")
    folders = {path.parent.resolve() for path in found.paths} if found else set()
    if arguments.to.resolve() in folders:
        problems.append(f"--to {arguments.to}: what was drawn would lie among the pictures")
    if problems:
        raise SystemExit("\n".join(f"{Path(__file__).name}: {problem}" for problem in problems))
    return read["input"], {"box": read["box"], "K": read["camera_matrix"]}


if __name__ == "__main__":
    main()
