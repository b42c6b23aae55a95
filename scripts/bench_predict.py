"""`python scripts/bench_predict.py RUN [VIDEO] [--other CHECKOUT] [--options="--no-images"]`

Measures `handpose predict` on a video: frames per second without the start. With the folder of
another version of this repository, runs both in turn and prints the ratio.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from handpose.config.checks.overrides import path_argument
from handpose.data.synthetic.render import render_hand
from handpose.media.video_writer import VideoWriter

_SIZE = (1280, 720)  # width, height in px
_ROOT = Path(__file__).resolve().parents[1]


def make_video(path: Path, count: int) -> None:
    """Writes a rendered hand that moves over the middle of the image, 30 frames per second."""
    hand = render_hand(np.random.default_rng(3), size=256, orientation="frontal").image
    width, height = _SIZE
    backdrop = cv2.resize(hand, _SIZE, interpolation=cv2.INTER_CUBIC)
    hand = cv2.resize(hand, (480, 480), interpolation=cv2.INTER_CUBIC)
    with VideoWriter(path, 30) as video:
        for number in range(count):
            frame = cv2.GaussianBlur(backdrop, (0, 0), 20)
            u = round((width - 480) / 2 + 150 * np.sin(number / 15))
            v = round((height - 480) / 2 + 60 * np.cos(number / 20))
            frame[v : v + 480, u : u + 480] = hand
            video.write(frame)


def seconds(checkout: Path, run: Path, video: Path, frames: int, options: list[str]) -> float:
    """Returns how long the command of a checkout takes for the first frames of a video."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "handpose", "predict", str(run), str(video)]
        command += ["--frames", str(frames), "--to", folder, "--device", "cpu", *options]
        start = time.perf_counter()
        subprocess.run(command, check=True, env=environment, cwd=checkout, capture_output=True)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=path_argument, help="directory of a finished run")
    parser.add_argument("video", nargs="?", type=path_argument, help="default: a rendered hand")
    parser.add_argument("--other", type=path_argument, help="another version of this repository")
    parser.add_argument("--options", default="", help="of handpose predict, for this version")
    parser.add_argument("--frames", type=int, default=192)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    few = 16
    checkouts = {"this": (_ROOT, shlex.split(arguments.options))}
    if arguments.other:
        checkouts["other"] = (arguments.other.resolve(), [])
    rates: dict[str, list[float]] = {name: [] for name in checkouts}
    with TemporaryDirectory() as folder:
        video = arguments.video or Path(folder, "hand.mp4")
        if not arguments.video:
            make_video(video, few + arguments.frames)
        for _ in range(arguments.repeats):
            for name, (checkout, options) in checkouts.items():
                short, long = (
                    seconds(checkout, arguments.run.resolve(), video.resolve(), frames, options)
                    for frames in (few, few + arguments.frames)
                )
                rates[name].append(arguments.frames / (long - short))
    for name, values in rates.items():
        listed = ", ".join(f"{value:.1f}" for value in values)
        print(f"{name}: {np.median(values):.1f} frames per second (median of {listed})")
    if arguments.other:
        ratios = np.divide(rates["this"], rates["other"])
        print(f"ratio: {np.median(ratios):.2f} (median of {', '.join(f'{r:.2f}' for r in ratios)})")


if __name__ == "__main__":
    main()
