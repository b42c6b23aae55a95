"""`python scripts/bench_input.py [--files 64] [--rounds 11] [--json OUT.json]`

Measures how fast two views of an image file are made on one core, against other libraries. It
generates the files; those of 224 px have FreiHAND's JPEG quality (95) and about its file size. Only
ratios within one run are meaningful: the candidates take turns in each round, and a ratio is the
median over the rounds.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import numpy as np
import torch
from benchmarks.images import BOX, write_images
from benchmarks.torchvision_views import FRAME, view_transform
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from rich.console import Console
from rich.table import Table
from torchvision.io import decode_jpeg, read_file

from handpose.augment.settings import Augmentation
from handpose.augment.views import make_views
from handpose.config.checks.overrides import path_argument
from handpose.data.images import read_image
from handpose.data.sampling import sample_rng
from handpose.records import Sample

CONF = Path(__file__).resolve().parents[1] / "conf"
SIZE = 128  # px, side of a view
Candidate = Callable[[Path], Any]


def tracked() -> Augmentation:
    """Composes `augment=tracked`: rotation, shift, scale and colour."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return instantiate(compose(overrides=["+augment=tracked"]).augment, _convert_="all")


def decode(path: Path) -> Any:
    """Returns (H, W, 3) uint8 RGB: the minimum for any way that reads with OpenCV."""
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)


def two_views(settings: Augmentation, rng_of: Callable[[], np.random.Generator]) -> Candidate:
    """Makes views with `read_image` and `make_views` of handpose."""
    unlabelled = {"uv": np.zeros((21, 2), np.float32), "xyz": np.zeros((21, 3), np.float32)}
    invalid = dict.fromkeys(("uv_valid", "xyz_valid"), np.zeros(21, dtype=bool))

    def make(path: Path) -> Any:
        image = read_image(path)
        height, width = image.shape[:2]
        box = np.array([(width - 1) / 2, (height - 1) / 2, BOX * height], np.float32)
        K = np.eye(3, dtype=np.float32)
        sample = Sample(image, **unlabelled, K=K, **invalid, box=box, side="right", key="")
        return make_views(
            sample, settings, rng=rng_of(), size=SIZE, num_views=2, identity=0, index=0
        )

    return make


def albumentations_views(settings: Augmentation, side: int) -> Candidate:
    """Makes the same with albumentations: one affine map, scaled so that a crop is the view."""
    whole = SIZE / (BOX * FRAME)
    colour = {"brightness": settings.gain, "saturation": settings.saturation, "contrast": (1, 1)}
    pipeline = A.Compose(
        [
            *([A.CenterCrop(side, side), A.Resize(FRAME, FRAME, cv2.INTER_AREA)] * (side != FRAME)),
            A.Affine(
                rotate=settings.angle,
                scale=tuple(whole / margin for margin in reversed(settings.margin_range)),
                translate_percent=tuple(BOX * shift for shift in settings.shift),
                border_mode=cv2.BORDER_REFLECT_101,
                p=1,
            ),
            A.CenterCrop(SIZE, SIZE),
            A.ColorJitter(hue=tuple(turn / 360 for turn in settings.hue), **colour, p=1),
            A.ToTensorV2(),
        ]
    )

    def make(path: Path) -> Any:
        image = decode(path)
        return [pipeline(image=image)["image"] for _ in range(2)]

    return make


def torchvision_views(settings: Augmentation, side: int) -> Candidate:
    """Makes the same with torchvision's transforms of single uint8 tensors."""
    pipeline = view_transform(settings, side=side, size=SIZE)

    def make(path: Path) -> Any:
        image = decode_jpeg(read_file(str(path)))
        return [pipeline(image) for _ in range(2)]

    return make


def candidates(side: int) -> dict[str, Candidate]:
    """Returns {name in the table: candidate}; the first is the reference."""
    settings, shared = tracked(), np.random.default_rng(0)
    return {
        "decode only": decode,
        "handpose": two_views(settings, lambda: shared),
        "handpose, seeding each sample": two_views(settings, lambda: sample_rng(0, 1, 2)),
        "albumentations": albumentations_views(settings, side),
        "torchvision": torchvision_views(settings, side),
    }


def compare(ways: dict[str, Candidate], paths: list[Path], rounds: int) -> dict[str, float]:
    """Returns the rate of each over the first's, by CPU time."""
    seconds = np.zeros((rounds + 1, len(ways)))
    for row in seconds:
        for place, make in enumerate(ways.values()):
            start = time.process_time()
            for path in paths:
                make(path)
            row[place] = time.process_time() - start
    rates = np.median(seconds[1:, :1] / seconds[1:], axis=0)  # the first round warms up
    return dict(zip(ways, rates.tolist(), strict=True))


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """Returns the rates of all candidates and the mean file size in kB, for each image size."""
    results = {}
    for width, height, count in ((224, 224, arguments.files), (1280, 720, arguments.large_files)):
        name = f"{width} x {height}"
        paths = write_images(folder / name, count, height, width, arguments.quality)
        rates = compare(candidates(height), paths, arguments.rounds)
        kilobytes = float(np.mean([path.stat().st_size for path in paths])) / 1e3
        results[name] = {"kB": kilobytes, **rates}
    return results


def show(results: dict[str, dict[str, float]]) -> None:
    """Prints the rate over decoding only, and handpose's over the row's, for each image size."""
    table = Table(title=f"Two views of {SIZE} px, one core: rate / decode only (handpose / row)")
    table.add_column("")
    for name, rates in results.items():
        table.add_column(f"{name}, {rates['kB']:.0f} kB", justify="right")
    _, *ways = next(iter(results.values()))
    for way in ways:
        cells = [f"{r[way]:.2f} ({r['handpose'] / r[way]:.2f})" for r in results.values()]
        table.add_row(way, *cells)
    Console().print(table)


def main() -> None:
    """Measures, prints, and writes the ratios to --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=64, help="files of 224 x 224 px")
    parser.add_argument(
        "--large-files", type=int, default=12, help="number of files of 1280 x 720 px"
    )
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--quality", type=int, default=95, help="JPEG quality")
    parser.add_argument(
        "--json", type=path_argument, metavar="PATH", help="write the ratios to PATH"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(arguments, Path(folder))
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
