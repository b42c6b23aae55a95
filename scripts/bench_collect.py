"""`python scripts/bench_collect.py --model MODEL [--samples DIR] [--minutes 10] [--json OUT.json]`

Measures `handpose collect` on a video of rendered and, from DIR, real hands, and on one four times
as long: time and peak memory. Kills it half-way, resumes it, and compares all files. Also measures
reading alone: one frame a second by key frames and references, and by decoding all frames.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from handpose.config.checks.overrides import path_argument
from handpose.media.sparse_frames import open_part

ROOT = Path(__file__).resolve().parents[1]
_TIMES = 4


def make_video(path: Path, minutes: float, samples: Path | None) -> None:
    """Write the video; see tests/support/wild_video.py."""
    command = [sys.executable, ROOT / "tests/support/wild_video.py", path, "--minutes", minutes]
    command += ["--samples", samples] if samples else []
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([str(word) for word in command], env=environment, check=True)


def repeat_video(path: Path, to: Path) -> None:
    """Write a video several times in a row, without encoding it again."""
    with av.open(str(to), "w") as out:
        stream, end = None, 0
        for _ in range(_TIMES):
            with av.open(str(path)) as container:
                source = container.streams.video[0]
                stream = stream or out.add_stream_from_template(source)
                last = 0
                for packet in container.demux(source):
                    if packet.dts is not None and packet.pts is not None:
                        last = max(last, packet.pts + (packet.duration or 1))
                        packet.pts, packet.dts = packet.pts + end, packet.dts + end
                        packet.stream = stream
                        out.mux(packet)
                end += last


def collect(video: Path, out: Path, model: str, *, kill_after: float = 0) -> dict[str, Any]:
    """Run the command in a process of its own; return seconds, peak MB and the summary's counts."""
    command = [sys.executable, "-m", "handpose", "collect", video, out, "--model", model]
    start = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in command],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests/support")))},
        stdout=subprocess.DEVNULL,
    )
    killer = threading.Timer(kill_after, os.kill, (process.pid, signal.SIGKILL))
    if kill_after:
        killer.start()
    _, status, usage = os.wait4(process.pid, 0)
    killer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    measured = {"seconds": time.monotonic() - start, "peak_MB": usage.ru_maxrss / 1024}
    summary = out / "collection.json"
    return measured | (json.loads(summary.read_text())["counts"] if summary.exists() else {})


def digest(folder: Path) -> str:
    """Return a digest of the names and contents of all files but the lock."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "lock":
            found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def measure(folder: Path, model: str, minutes: float, samples: Path | None) -> dict[str, Any]:
    """Return {what: its measures}."""
    video, longer = folder / "hands.mp4", folder / "longer.mp4"
    if not video.exists():
        make_video(video, minutes, samples)
    repeat_video(video, longer)
    results = {f"{minutes:g} min": collect(video, folder / "whole", model)}
    half = results[f"{minutes:g} min"]["seconds"] / 2
    killed = collect(video, folder / "killed", model, kill_after=half)
    resumed = collect(video, folder / "killed", model)
    results["killed half-way"], results["resumed"] = killed, resumed
    results["resumed"]["same files"] = digest(folder / "killed") == digest(folder / "whole")
    results[f"{_TIMES * minutes:g} min"] = collect(longer, folder / "long", model)
    return results | {"reading alone": reading(video)}


def reading(video: Path) -> dict[str, Any]:
    """Return seconds and decoded frames for one frame a second, and seconds with all decoded."""
    start = time.monotonic()
    with open_part(video, name="", every=Fraction(1), first=0, last=10**9) as part:
        number = sum(1 for _ in part.frames)
    sampled = time.monotonic() - start
    with av.open(str(video)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        start = time.monotonic()
        decoded = sum(1 for _ in container.decode(video=0))
        every = time.monotonic() - start
    return {
        "seconds": sampled,
        "frames": number,
        "decoded": part.num_decoded,
        "all decoded": decoded,
        "seconds to decode all": every,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--samples", type=path_argument)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--folder", type=path_argument, help="keep the videos and outputs there")
    parser.add_argument("--json", type=path_argument)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        results = measure(folder, arguments.model, arguments.minutes, arguments.samples)
    for what, values in results.items():
        shown = {k: round(v, 1) if isinstance(v, float) else v for k, v in values.items()}
        rate = values.get("frames read", 0) / values["seconds"]
        print(f"{what}: {shown}" + f", {rate:.1f} frames read per second" * (rate > 0))
    if arguments.json:
        arguments.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
