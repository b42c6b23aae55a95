"""`python scripts/bench_views.py [--device cpu] [--pairs 256] [--size 128] [--json OUT.json]`

Measures what applying the drawn numbers of a batch takes: by OpenCV in one worker, and by
`render_views` on the device; how much the device needs in memory, and how far the views differ.
Drawing is not counted. `--quick` takes a small batch once, to test the script.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.table import Table

from handpose.augment import views as augment_views
from handpose.augment.device.recipe import make_recipe
from handpose.augment.device.rendering import render_views
from handpose.augment.reach import reach_of
from handpose.augment.settings import Augmentation
from handpose.augment.views import Drawn, draw_views
from handpose.config.checks.overrides import path_argument
from handpose.config.schema import register
from handpose.data.synthetic.render import render_right_hand
from handpose.pipeline.parts import build_augmentation
from handpose.records import Crops, Recipe, Sample

CONF = Path(__file__).resolve().parents[1] / "conf"
OPENCV, RECIPE, DEVICE = "OpenCV in a worker", "recipe, on the CPU", "on the device"
SOURCE, IMAGES = 224, 16  # side of the images in px, and how many are rendered


def build_settings(name: str) -> Augmentation:
    """Builds the settings of conf/augment/NAME.yaml."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return build_augmentation(compose("config", overrides=[f"augment={name}"]).augment)


def make_samples(pairs: int, settings: Augmentation, size: int) -> list[Sample]:
    """Makes the crops of synthetic hands that views can show.

    Args:
        pairs: Number of samples.
        settings: Of the augmentation.
        size: S of the views in px.
    """
    rng, reach = np.random.default_rng(0), reach_of([settings], size)
    hands = [render_right_hand(rng, size=SOURCE, orientation="any")[0] for _ in range(IMAGES)]
    none = np.zeros(21, dtype=bool)
    box = np.array([SOURCE / 2, SOURCE / 2, SOURCE / 2], np.float32)
    zeros, K = np.zeros((21, 3), np.float32), np.eye(3, dtype=np.float32)
    samples = [
        Sample(hand.image, zeros[:, :2], zeros, K, none, none, box, "right", "synthetic#0")
        for hand in hands
    ]
    return [reach.crop(samples[i % IMAGES]) for i in range(pairs)]


def draw(samples: list[Sample], settings: Augmentation, size: int) -> list[Drawn]:
    """Draws two views of each sample."""
    rng = np.random.default_rng(1)
    return [draw_views(s, settings, rng=rng, size=size, num_views=2) for s in samples]


def write_recipe(samples: list[Sample], drawn: list[Drawn]) -> Recipe:
    """Makes the recipe of the batch."""
    return make_recipe(
        np.array([one.affines for one in drawn]),
        [one.looks for one in drawn],
        crop=np.repeat(np.arange(len(samples))[:, None], 2, axis=1),
        crop_affines=np.array([sample.crop.affine for sample in samples if sample.crop]),
    )


def render_by_opencv(sample: Sample, drawn: Drawn, size: int) -> np.ndarray:
    """Renders the views (V, 3, S, S) of a sample, by the code of the workers."""
    views = np.empty((len(drawn.looks), 3, size, size), np.uint8)
    augment_views.render_views(sample, drawn, views)
    return views


def on_device(record: Any, device: torch.device) -> Any:
    """Copies a record of arrays to the device."""
    if isinstance(record, np.ndarray):
        return torch.from_numpy(record).to(device)
    columns = (on_device(column, device) for column in record)
    return type(record)(*columns) if hasattr(record, "_fields") else tuple(columns)


def timed(function: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    """Calls a function; returns its seconds, to the end of what the device does, and its result."""
    start = time.perf_counter()
    result = function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start, result


def measure(pairs: int, size: int, name: str, device: torch.device, rounds: int) -> dict[str, Any]:
    """Measures the ways in turn.

    Args:
        pairs: Samples of the batch, with two views each.
        size: S of the views in px.
        name: Of a file in conf/augment.
        device: Where `render_views` runs.
        rounds: Of which the median counts.

    Returns:
        Microseconds a view by way, "MB" on a GPU, and "differ", the mean of the differences in grey
        levels.
    """
    settings = build_settings(name)
    samples = make_samples(pairs, settings, size)
    drawn = draw(samples, settings, size)
    shape = samples[0].image.shape[1::-1]
    crops = Crops(
        np.stack([sample.image for sample in samples]),
        np.arange(pairs),
        np.tile(np.array(shape, np.int64), (pairs, 1)),
    )
    there, recipe = on_device(crops, device), on_device(write_recipe(samples, drawn), device)
    ways: dict[str, Callable[[], Any]] = {
        OPENCV: lambda: [
            render_by_opencv(*pair, size) for pair in zip(samples, drawn, strict=True)
        ],
        RECIPE: lambda: write_recipe(samples, drawn),
        DEVICE: lambda: render_views(there, recipe, size),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    results: dict[str, Any] = {}
    for number in range(rounds + 1):
        for way, function in ways.items():
            taken, results[way] = timed(function, device)
            if number:  # the first one warms up
                seconds[way].append(taken)
    difference = np.abs(results[DEVICE].cpu().numpy().astype(int) - results[OPENCV])
    found = {way: 1e6 * statistics.median(own) / (2 * pairs) for way, own in seconds.items()}
    memory = torch.cuda.max_memory_allocated() / 1e6 if device.type == "cuda" else None
    return {"us": found, "MB": memory, "differ": float(difference.mean())}


def print_table(found: dict[str, Any], title: str) -> None:
    """Prints a row for each way."""
    table = Table("way", "us a view", "views/s", title=title)
    for way, value in found["us"].items():
        table.add_row(way, f"{value:.1f}", f"{1e6 / value:,.0f}")
    Console().print(table)
    Console().print(f"the views differ by {found['differ']:.1e} grey levels on average")
    if found["MB"]:
        Console().print(f"peak memory of the device: {found['MB']:.0f} MB")


def main() -> None:
    """Measures, prints, and writes the numbers to --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--augment", default="full")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=path_argument, metavar="OUT")
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.size, options.rounds = 8, 32, 1
    device = torch.device(options.device)
    found = measure(options.pairs, options.size, options.augment, device, options.rounds)
    views = f"{2 * options.pairs} views of {options.size} px"
    print_table(found, f"{views}, augment={options.augment}, device {device}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
