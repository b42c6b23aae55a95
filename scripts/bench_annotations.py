"""`python scripts/bench_annotations.py [--hands 130240] [--workers 8] [--json OUT.json]`

What annotations of FreiHAND's size (130,240 hands, a fourth as many annotations) cost as memory
maps and as JSON lists: the time to open them, and how far each forked worker's memory grows while
it reads every row. Memory is the proportional set size, in which a page shared by n processes
counts for 1/n; Linux only.
"""

import argparse
import gc
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from handpose.data.arrays import ArrayFolder, ArrayFolderWriter

SHAPES = {"uv": (21, 2), "xyz": (21, 3), "K": (3, 3)}
VERSIONS = 4  # hands of one annotation
_PATIENCE = 900  # seconds to wait for a worker that may have died

Rows = Callable[[int], Any]  # what a hand's place in the dataset has in the annotations


def write_arrays(folder: Path, columns: dict[str, np.ndarray]) -> None:
    """The columns as the folder that an index is."""
    writer = ArrayFolderWriter(folder)
    for name, column in columns.items():
        writer.create(name, column.shape, column.dtype.type)[:] = column
    writer.publish()


def open_arrays(folder: Path) -> Rows:
    """Memory maps; a row is copied out of them."""
    arrays = ArrayFolder(folder)
    return lambda place: [np.array(column[place % len(column)]) for column in arrays.values()]


def write_json(folder: Path, columns: dict[str, np.ndarray]) -> None:
    """A file for each column, as FreiHAND comes."""
    folder.mkdir()
    for name, column in columns.items():
        (folder / f"{name}.json").write_text(json.dumps(column.tolist()))


def open_json(folder: Path) -> Rows:
    """Python lists, kept for as long as the dataset lives."""
    lists = [json.loads((folder / f"{name}.json").read_text()) for name in SHAPES]
    return lambda place: [np.array(column[place % len(column)], np.float32) for column in lists]


FORMATS = {"memory maps": (write_arrays, open_arrays), "JSON lists": (write_json, open_json)}


def memory() -> float:
    """Proportional set size of this process, MB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3


def read_all(
    rows: Rows, hands: int, epochs: int, all_here: Barrier, growth: "multiprocessing.Queue[float]"
) -> None:
    """One worker: reads every row in a shuffled order; puts how far its memory grew, MB."""
    all_here.wait()
    before = memory()
    all_here.wait()
    for epoch in range(epochs):
        for place in np.random.default_rng(epoch).permutation(hands):
            rows(int(place))
    all_here.wait()
    growth.put(memory() - before)
    all_here.wait()  # nobody leaves, and so shares its pages less, before all have looked


def grow(rows: Rows, arguments: argparse.Namespace) -> float:
    """The workers' mean growth, MB."""
    context = multiprocessing.get_context("fork")
    all_here, growth = context.Barrier(arguments.workers, timeout=_PATIENCE), context.Queue()
    work = (rows, arguments.hands, arguments.epochs, all_here, growth)
    workers = [context.Process(target=read_all, args=work) for _ in range(arguments.workers)]
    for worker in workers:
        worker.start()
    grown = [growth.get(timeout=_PATIENCE) for _ in workers]
    for worker in workers:
        worker.join()
    return float(np.mean(grown))


def measure(arguments: argparse.Namespace, root: Path) -> dict[str, dict[str, float]]:
    """Milliseconds to open (best of three) and MB of growth per worker, of each format."""
    rng, results = np.random.default_rng(0), {}
    length = max(1, arguments.hands // VERSIONS)
    columns = {
        name: rng.normal(size=(length, *shape)).astype(np.float32) for name, shape in SHAPES.items()
    }
    for name, (write, open_) in FORMATS.items():
        folder = root / name
        write(folder, columns)
        seconds = []
        for _ in range(3):
            gc.collect()
            start = time.perf_counter()
            rows = open_(folder)
            seconds.append(time.perf_counter() - start)
        results[name] = {"open_ms": 1e3 * min(seconds), "growth_MB": grow(rows, arguments)}
        del rows
    return results


def show(results: dict[str, dict[str, float]]) -> None:
    """One row a format."""
    table = Table("", "opened in, ms", "growth of a worker, MB", title="Annotations")
    for name, result in results.items():
        table.add_row(name, f"{result['open_ms']:.1f}", f"{result['growth_MB']:.1f}")
    Console().print(table)


def main() -> None:
    """Reads the command line, measures, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hands", type=int, default=130_240)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the numbers here, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(arguments, Path(folder))
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
