"""`python scripts/bench_input.py [--files 64] [--rounds 11] [--json OUT.json]`

Measures how fast batches of two views are made on one core: by the loaders of training, by the
original implementation's operations, and by other libraries. It generates the files; those of 224
px have FreiHAND's JPEG quality (95) and about its file size. Only ratios within one run are
meaningful: the ways take turns in each round, and a ratio is the median over the rounds, by CPU
time.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from benchmarks.images import write_images
from benchmarks.labelled import dataset, label, some_hand
from benchmarks.libraries import Way, albumentations_views, decode, torchvision_views
from benchmarks.original import DESCRIBED, Original
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from rich.console import Console
from rich.table import Table

from handpose.augment.reach import reach_of
from handpose.augment.settings import Augmentation
from handpose.config.checks.overrides import path_argument
from handpose.data.base import HandDataset
from handpose.data.crop_batches import CropBatches
from handpose.data.loaders import build_loader
from handpose.data.packed.dataset import Packed
from handpose.data.packed.opening import with_pack
from handpose.data.views_dataset import ViewDataset

CONF = Path(__file__).resolve().parents[1] / "conf"
SIZE = 128  # px, side of a view
BATCH = 64  # samples, or all
SHAPES = {"224 x 224": (224, 224), "1280 x 720": (1280, 720)}  # width, height of the files in px
QUICK = {"files": 2, "large_files": 1, "rounds": 1}
Epoch = Callable[[], Any]  # reads every file once


def tracked() -> Augmentation:
    """Composes `augment=tracked`: rotation, shift, scale and colour."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return instantiate(compose(overrides=["+augment=tracked"]).augment, _convert_="all")


def one_by_one(way: Way, paths: list[Path]) -> Epoch:
    """Calls a way for each file."""
    return lambda: [way(path) for path in paths]


def loaded(source: HandDataset, settings: Augmentation) -> Epoch:
    """Reads the training loader of pre-training in this process, as a worker does."""
    dataset = ViewDataset(source, {"": settings}, seed=0)
    loader = build_loader(dataset, batch_size=BATCH, training=True, num_workers=0, seed=0)
    return lambda: list(loader)


def loaded_for_device(source: HandDataset, settings: Augmentation) -> Epoch:
    """Reads the same loader where the device makes the views: crops and recipes."""
    dataset = ViewDataset(source, {"": settings}, seed=0)
    gather = source.pack.pixels if isinstance(source, Packed) else None
    loader = build_loader(
        dataset,
        batch_size=BATCH,
        training=True,
        num_workers=0,
        seed=0,
        crops=CropBatches(dataset, gather=gather),
    )
    return lambda: list(loader)


def packed(folder: Path, cache: Path, settings: Augmentation, pack_format: str) -> HandDataset:
    """Packs the labelled files of a folder, and opens them as training does."""
    source = dataset(folder, cache, SIZE, packed=True, pack_format=pack_format)
    return with_pack(source, reach_of([settings], SIZE), cache / "packed")


def ways(folder: Path, cache: Path, paths: list[Path], original: Original) -> dict[str, Epoch]:
    """Returns {name in the table: way to make the views of all files}."""
    settings, side = tracked(), len(decode(paths[0]))
    files = dataset(folder, cache, SIZE, packed=False)
    raw, jpeg = (packed(folder, cache, settings, kind) for kind in ("raw", "jpeg"))
    return {
        "original": one_by_one(original, paths),
        "decode only": one_by_one(decode, paths),
        "JPEG files": loaded(files, settings),
        "packed jpeg": loaded(jpeg, settings),
        "packed raw": loaded(raw, settings),
        "JPEG files, for a device": loaded_for_device(files, settings),
        "packed jpeg, for a device": loaded_for_device(jpeg, settings),
        "packed raw, for a device": loaded_for_device(raw, settings),
        "albumentations": one_by_one(albumentations_views(settings, side, SIZE), paths),
        "torchvision": one_by_one(torchvision_views(settings, side, SIZE), paths),
    }


def seconds(epochs: dict[str, Epoch], rounds: int) -> np.ndarray:
    """Returns (rounds, ways) CPU time of each; an earlier round warms up."""
    measured = np.zeros((rounds + 1, len(epochs)))
    for row in measured:
        for place, epoch in enumerate(epochs.values()):
            start = time.process_time()
            epoch()
            row[place] = time.process_time() - start
    return measured[1:]


def compare(epochs: dict[str, Epoch], rounds: int, count: int) -> dict[str, dict[str, float]]:
    """Returns of each way: its rate over that of the first two, and us a pair of views.

    Args:
        epochs: The ways.
        rounds: In which they take turns.
        count: Number of files.
    """
    measured = seconds(epochs, rounds)
    to_original, to_decode = (np.median(measured[:, [k]] / measured, axis=0) for k in (0, 1))
    each = np.median(measured, axis=0) / count * 1e6
    columns = zip(to_original.tolist(), to_decode.tolist(), each.tolist(), strict=True)
    return {
        name: {"original": first, "decode only": second, "us": third}
        for name, (first, second, third) in zip(epochs, columns, strict=True)
    }


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Returns for each image size: the ways compared, the original's shares, the files' kB."""
    results: dict[str, Any] = {}
    for name, (width, height) in SHAPES.items():
        count = arguments.files if height == SHAPES["224 x 224"][1] else arguments.large_files
        paths = write_images(folder / name, count, height, width, arguments.quality)
        hand = some_hand(height)
        label(paths, hand, height, width)
        original = Original(hand.uv + np.array([(width - height) // 2, 0]), SIZE)
        epochs = ways(folder / name, folder / "cache", paths, original)
        results[name] = {
            "kB": float(np.mean([path.stat().st_size for path in paths])) / 1e3,
            "ways": compare(epochs, arguments.rounds, count),
            "shares": original.shares(paths[0]),
        }
    return results


def show(results: dict[str, Any]) -> None:
    """Prints the ratios of each way, and the shares of the original's operations."""
    table = Table(title=f"Two views of {SIZE} px, one core: rate / original (rate / decode only)")
    shares = Table(title="Share of each operation in the original's time")
    table.add_column("")
    shares.add_column("")
    shares.add_column("as described", justify="right")
    for name, result in results.items():
        table.add_column(f"{name}, {result['kB']:.0f} kB", justify="right")
        shares.add_column(name, justify="right")
    for way in next(iter(results.values()))["ways"]:
        rates = [result["ways"][way] for result in results.values()]
        cells = [f"{rate['original']:.2f} ({rate['decode only']:.2f})" for rate in rates]
        table.add_row(way, *cells)
    for operation, share in DESCRIBED.items():
        cells = [f"{result['shares'][operation]:.0%}" for result in results.values()]
        shares.add_row(operation, f"{share:.0%}", *cells)
    Console().print(table, shares)


def main() -> None:
    """Measures, prints, and writes the results to --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=64, help="files of 224 x 224 px")
    parser.add_argument(
        "--large-files", type=int, default=12, help="number of files of 1280 x 720 px"
    )
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--quality", type=int, default=95, help="JPEG quality")
    parser.add_argument("--quick", action="store_true", help="run once on few files, as a test")
    parser.add_argument(
        "--json", type=path_argument, metavar="PATH", help="write the results to PATH"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        vars(arguments).update(QUICK)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(arguments, Path(folder))
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
