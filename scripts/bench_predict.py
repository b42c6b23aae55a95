"""`python scripts/bench_predict.py RUN [VIDEO] [--other CHECKOUT] [--options="--no-images"]`

Measures `handpose predict` on a video: frames per second and CPU time per frame, without the start.
With the folder of another version of this repository, runs both in turn and prints the ratios.
"""

import argparse
import os
import resource
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


def seconds(
    checkout: Path, run: Path, video: Path, frames: int, options: list[str]
) -> tuple[float, float]:
    """Returns the wall time and the CPU time of a checkout's command for the first frames."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "handpose", "predict", str(run), str(video)]
        command += ["--frames", str(frames), "--to", folder, "--device", "cpu", *options]
        start, used = time.perf_counter(), _cpu_time()
        subprocess.run(command, check=True, env=environment, cwd=checkout, capture_output=True)
        return time.perf_counter() - start, _cpu_time() - used


def _cpu_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
    wall: dict[str, list[float]] = {name: [] for name in checkouts}  # frames per second
    cpu: dict[str, list[float]] = {name: [] for name in checkouts}  # ms per frame
    with TemporaryDirectory() as folder:
        video = arguments.video or Path(folder, "hand.mp4")
        if not arguments.video:
            make_video(video, few + arguments.frames)
        for _ in range(arguments.repeats):
            for name, (checkout, options) in checkouts.items():
                own = (checkout, arguments.run.resolve(), video.resolve())
                short, long = (seconds(*own, n, options) for n in (few, few + arguments.frames))
                wall[name].append(arguments.frames / (long[0] - short[0]))
                cpu[name].append(1000 * (long[1] - short[1]) / arguments.frames)
                print(f"{name}: {wall[name][-1]:.1f}/s, {cpu[name][-1]:.1f} ms", flush=True)
    for name in checkouts:
        rate, used = np.median(wall[name]), np.median(cpu[name])
        print(f"{name}: {rate:.1f} frames per second, {used:.1f} ms of CPU time each (medians)")
    if arguments.other:
        faster = np.median(np.divide(wall["this"], wall["other"]))
        less = np.median(np.divide(cpu["other"], cpu["this"]))
        print(f"ratio: {faster:.2f} of frames per second, {less:.2f} of CPU time")


if __name__ == "__main__":
    main()
