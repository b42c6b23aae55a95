"""`python scripts/bench_index.py [--annotations 32560] [--meshes 47125] [--json OUT.json]`

Measures the cost of an index, on datasets that it generates. FreiHAND in full size (four images for
each annotation): the time to open the index, and the memory growth of each forked worker that reads
all labels, against the same annotations as Python lists from JSON. YouTube 3D Hands in full size:
the time and the peak memory to build the index. The memory of workers is the proportional set size,
in which a page shared by n processes counts as 1/n; Linux only.
"""

import argparse
import gc
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from handpose.config.checks.overrides import path_argument
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.youtube import YouTube3D
from handpose.data.synthetic.anatomy import pose_skeleton, sample_pose, sample_proportions

SHAPES = {"K": (3, 3), "xyz": (21, 3)}
VERSIONS = 4  # images of one annotation
_LINKS = 30_000  # hard links to one file, fewer than file systems allow
_HANDS = 64  # poses, repeated
_TIMEOUT = 900  # seconds to wait for a worker that may have died

Rows = Callable[[int], Any]  # index of a hand -> its labels


def write_freihand(root: Path, annotations: int) -> None:
    """Writes the official layout in any size; all images are links to a few files."""
    rng = np.random.default_rng(0)
    hands = [sample_hand(rng) for _ in range(_HANDS)]
    xyz = np.resize(hands, (annotations, 21, 3)) + np.array([0, 0, 0.6])
    K = np.tile([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]], (annotations, 1, 1))
    (root / "training/rgb").mkdir(parents=True)
    (root / "training_K.json").write_text(json.dumps(K.tolist()))
    (root / "training_xyz.json").write_text(json.dumps(xyz.tolist()))
    for number in range(VERSIONS * annotations):
        path = root / f"training/rgb/{number:08d}.jpg"
        if number % _LINKS == 0:
            first = path
            cv2.imwrite(str(path), np.full((224, 224, 3), 128, np.uint8))
        else:
            os.link(first, path)


def sample_hand(rng: np.random.Generator) -> np.ndarray:
    """Draws a plausible pose, since an index refuses others. (21, 3) metres."""
    proportions = sample_proportions(rng)
    return pose_skeleton(sample_pose(rng, proportions).angles, proportions).joints


def open_index(root: Path) -> Rows:
    """Opens the dataset as a run does; the first time builds the index."""
    return FreiHand(
        root=str(root),
        cache=str(root / "cache"),
        split="train",
        val_fraction=0.0,
        box_side=0.7,
        image_size=128,
    ).labels


def open_json(root: Path) -> Rows:
    """Keeps the annotations as Python lists."""
    lists = [json.loads((root / f"training_{name}.json").read_text()) for name in SHAPES]
    return lambda place: [np.array(column[place % len(column)], np.float32) for column in lists]


FORMATS = {"index": open_index, "JSON lists": open_json}


def memory() -> float:
    """Returns the proportional set size of this process, MB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3


def read_all(
    rows: Rows, hands: int, epochs: int, all_here: Barrier, growth: "multiprocessing.Queue[float]"
) -> None:
    """Reads all rows in random order, as a worker; puts its memory growth in MB."""
    all_here.wait()
    before = memory()
    all_here.wait()
    for epoch in range(epochs):
        for place in np.random.default_rng(epoch).permutation(hands):
            rows(int(place))
    all_here.wait()
    growth.put(memory() - before)
    all_here.wait()  # no worker exits before all have measured: shared pages would count more


def grow(rows: Rows, arguments: argparse.Namespace) -> float:
    """Returns the workers' mean growth, MB."""
    context = multiprocessing.get_context("fork")
    all_here, growth = context.Barrier(arguments.workers, timeout=_TIMEOUT), context.Queue()
    work = (rows, arguments.hands, arguments.epochs, all_here, growth)
    workers = [context.Process(target=read_all, args=work) for _ in range(arguments.workers)]
    for worker in workers:
        worker.start()
    grown = [growth.get(timeout=_TIMEOUT) for _ in workers]
    for worker in workers:
        worker.join()
    return float(np.mean(grown))


def measure(arguments: argparse.Namespace, root: Path) -> dict[str, dict[str, float]]:
    """Returns seconds to build, ms to open (best of five) and MB per worker of each format."""
    write_freihand(root, arguments.annotations)
    arguments.hands = VERSIONS * arguments.annotations
    results = {}
    for name, open_ in FORMATS.items():
        seconds = []
        for _ in range(6):
            gc.collect()
            start = time.perf_counter()
            rows = open_(root)
            seconds.append(time.perf_counter() - start)
        grown = grow(rows, arguments)
        results[name] = {
            "first_s": seconds[0],
            "open_ms": 1e3 * min(seconds[1:]),
            "growth_MB": grown,
        }
        del rows
    return results


def write_youtube(root: Path, meshes: int) -> float:
    """Writes an annotation file of `meshes` hands on one frame; returns its size in MB."""
    root.mkdir()
    cv2.imwrite(str(root / "frame.png"), np.zeros((720, 1280, 3), np.uint8))
    rng = np.random.default_rng(0)
    with (root / "youtube_train.json").open("w") as file:
        image = {"id": 0, "name": "frame.png", "width": 1280, "height": 720}
        file.write(f'{{"images": [{json.dumps(image)}], "annotations": [')
        for number in range(meshes):
            vertices = rng.uniform(200, 600, (778, 3)).round(6).tolist()
            record = {"id": number, "image_id": 0, "is_left": number % 2, "vertices": vertices}
            file.write((", " if number else "") + json.dumps(record))
        file.write("]}")
    np.save(root / "regressor.npy", np.eye(16, 778))
    return (root / "youtube_train.json").stat().st_size / 1e6


def peak_memory() -> float:
    """Returns the peak resident memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def build_youtube(root: Path, found: "multiprocessing.Queue[tuple[float, ...]]") -> None:
    """Puts the seconds, and the resident memory before and at its peak, MB."""
    before, start = peak_memory(), time.perf_counter()
    YouTube3D(
        root=str(root),
        cache=str(root / "cache"),
        split="train",
        joint_regressor=str(root / "regressor.npy"),
        image_size=128,
    )
    found.put((time.perf_counter() - start, before, peak_memory()))


def measure_build(meshes: int, root: Path) -> dict[str, float]:
    """Builds the index in a new process."""
    context = multiprocessing.get_context("spawn")
    size, found = write_youtube(root, meshes), context.Queue()
    process = context.Process(target=build_youtube, args=(root, found))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("building the index failed, see above")
    seconds, before, peak = found.get()
    return {"file_MB": size, "build_s": seconds, "imports_MB": before, "growth_MB": peak - before}


def show(results: dict[str, dict[str, float]]) -> None:
    """Prints a row for each format, and a line for the large file."""
    table = Table("", "first time, s", "opened in, ms", "growth of a worker, MB", title="FreiHAND")
    for name in FORMATS:
        result = results[name]
        values = (result[key] for key in ("first_s", "open_ms", "growth_MB"))
        table.add_row(name, *(f"{value:.1f}" for value in values))
    Console().print(table)
    large = results["YouTube"]
    print(
        f"YouTube: {large['file_MB']:.0f} MB read in {large['build_s']:.0f} s; the imports take "
        f"{large['imports_MB']:.0f} MB, building {large['growth_MB']:.0f} MB more at its peak"
    )


def main() -> None:
    """Measures, prints, and writes the numbers to --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=int, default=32_560)
    parser.add_argument("--meshes", type=int, default=47_125)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument(
        "--json", type=path_argument, metavar="PATH", help="write the numbers to PATH"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(arguments, Path(folder) / "freihand")
        results["YouTube"] = measure_build(arguments.meshes, Path(folder) / "youtube")
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
