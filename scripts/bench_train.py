"""`python scripts/bench_train.py [--device cpu|cuda] [--minutes 8] [--check-resume] [--json OUT]`

Measures the views per second of contrastive pre-training with `augment=tracked`, for each input of
handpose. It compares them with a plain Lightning loop with torchvision's transforms, with lightly's
SimCLR (extra `bench`), and with a loop of PyTorch alone around the same step. It generates the JPEG
files. The ways take turns in each round, and a ratio is the median over the rounds. The most
important are measured first. Those that do not fit into the time are listed as left out.
"""

import argparse
import csv
import json
import logging
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from benchmarks.images import BOX, write_images
from benchmarks.resume_twin import check_resume
from benchmarks.rivals import Lightly, Lightning
from benchmarks.stage import BOXES, BareLoop, Stage, Task
from benchmarks.turns import Found, Way, take_turns
from rich.console import Console
from rich.table import Table

from handpose.config.checks.overrides import path_argument
from handpose.distributed.processes import num_cores
from handpose.pipeline.third_party_messages import quieten

SIDE, QUALITY = 224, 95  # of the files: FreiHAND's
PLAIN, LIGHTLY = "Lightning, torchvision", "lightly, SimCLR"
INPUTS = {
    "resident": ("dataset.packed=true", "trainer.augment_on=device", "trainer.resident=true"),
    "device": ("dataset.packed=true", "trainer.augment_on=device", "trainer.resident=false"),
    "packed": ("dataset.packed=true", "trainer.augment_on=workers", "trainer.resident=false"),
    "files": ("dataset.packed=false", "trainer.augment_on=workers", "trainer.resident=false"),
}


class Network(NamedTuple):
    """A backbone at one size of the views."""

    backbone: str
    size: int  # px
    pairs: int  # of a batch
    share: float  # of the time that is left


class Plan(NamedTuple):
    """What is measured, the most important first."""

    networks: tuple[Network, ...]
    files: int
    steps: int  # of a window; a turn has three
    rounds: int
    compiled: bool


def plan(device: str, *, quick: bool) -> Plan:
    """Chooses what to measure.

    Args:
        device: "cpu" or "cuda".
        quick: only that everything runs.
    """
    if quick:
        tiny = (Network("resnet18_half", 32, 4, 1.0),)
        return Plan(tiny, files=24, steps=2, rounds=1, compiled=False)
    if device == "cpu":
        small = (Network("resnet18", 64, 32, 0.6), Network("resnet18", 128, 16, 1.0))
        return Plan(small, files=256, steps=4, rounds=3, compiled=False)
    networks = (
        Network("resnet50", 224, 64, 0.45),
        Network("resnet18", 128, 256, 0.25),
        Network("resnet50", 128, 128, 0.33),
        Network("hrnet_w32", 128, 64, 0.5),
        Network("resnet18", 64, 512, 1.0),
    )
    return Plan(networks, files=2048, steps=20, rounds=3, compiled=True)


def ways(task: Task, *, compiled: bool) -> dict[str, Callable[[], Way]]:
    """Returns {name in the table: maker of the way}, the most important first.

    Args:
        task: what they train.
        compiled: whether compiled ones are among them.
    """
    all_ways: dict[str, Callable[[], Way]] = {
        name: partial(Stage, task, *keys) for name, keys in INPUTS.items()
    }
    if compiled:
        all_ways |= {
            f"{name}, compiled": partial(Stage, task, *keys, "trainer.compile=true")
            for name, keys in INPUTS.items()
        }
    all_ways |= {
        PLAIN: partial(Lightning, task),
        "device, bare loop": partial(BareLoop, task, *INPUTS["device"]),
        LIGHTLY: partial(Lightly, task),
    }
    first = ("device", PLAIN, "device, bare loop", "resident", "device, compiled", LIGHTLY)
    return {name: all_ways[name] for name in (*first, *all_ways) if name in all_ways}


def write_files(folder: Path, count: int) -> Path:
    """Writes the images and the table of boxes, as a detector would; returns their folder."""
    paths = write_images(folder / "images", count, SIDE, SIDE, QUALITY, processes=num_cores())
    with (folder / "images" / BOXES).open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "box_u", "box_v", "box_side"])
        rows.writerows([path.name, (SIDE - 1) / 2, (SIDE - 1) / 2, BOX * SIDE] for path in paths)
    return folder / "images"


def numbers(found: Found) -> dict[str, dict[str, float]]:
    """Returns the median of each way's rate and meters, and its rate over the plain loop's."""
    rates = {name: [turn.images_per_second for turn in turns] for name, turns in found.items()}
    rows = {}
    for name, turns in found.items():
        meters = {m: float(np.median([t.meters[m] for t in turns])) for m in turns[0].meters}
        rows[name] = {**meters, "images_per_second": float(np.median(rates[name]))}
        if PLAIN in rates:
            pairs = zip(rates[name], rates[PLAIN], strict=False)
            rows[name]["over_plain"] = float(np.median([own / plain for own, plain in pairs]))
    return rows


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measures the networks of the plan within the time."""
    end = time.monotonic() + 60 * arguments.minutes
    chosen = plan(arguments.device, quick=arguments.quick)
    images = write_files(folder, chosen.files)
    results: dict[str, Any] = {"networks": {}, "left_out": {}}
    for network in chosen.networks:
        now = time.monotonic()
        task = Task(*network[:3], chosen.steps, arguments.workers, arguments.device, images, folder)
        found, left_out = take_turns(
            ways(task, compiled=chosen.compiled),
            rounds=chosen.rounds,
            until=now + network.share * (end - now),
        )
        results["networks"][task.name] = {"pairs": task.pairs, "ways": numbers(found)}
        results["left_out"] |= {f"{task.name}: {name}": why for name, why in left_out.items()}
    if arguments.check_resume:
        results["resume"] = {"network": task.name, **check_resume(task, *INPUTS["device"])}
    return results


def aims(results: dict[str, Any], network: str = "resnet50 at 224 px") -> list[str]:
    """Says how far it got: what the GPU waits for, and what handpose gains.

    Args:
        results: of `measure`.
        network: the one that the aims are about.
    """
    rows = results["networks"].get(network, {}).get("ways", {})
    own, bare = rows.get("device", {}), rows.get("device, bare loop", {})
    wait, gain, mfu = (own.get(n) for n in ("data_wait_percent", "over_plain", "mfu_percent"))
    rates = [row.get("images_per_second") for row in (own, bare)]
    cost = rates[1] / rates[0] if all(rates) else None
    lines = [
        _line("waits for data", wait, "%", "below 2 %", lambda value: value < 2),
        _line("over the plain Lightning loop", gain, "times", "at least 1.5", lambda v: v >= 1.5),
        _line("MFU", mfu, "%"),
        _line("a bare loop over Lightning with all callbacks", cost, "times"),
    ]
    lines = [f"{network}, device: {line}" for line in lines]
    if twin := results.get("resume"):
        same = "equal in every bit" if not twin["different"] else "NOT EQUAL"
        lines.append(
            f"{twin['network']}: killed at step {twin['killed_at']} of {twin['steps']} and "
            f"resumed: {len(twin['different'])} of {twin['tensors']} tensors differ, {same}"
        )
    return lines


def _line(
    what: str,
    value: float | None,
    unit: str,
    aim: str = "",
    reached: Callable[[float], bool] = lambda value: True,
) -> str:
    if value is None:
        return f"{what}: not measured" + (f" (aim: {aim})" if aim else "")
    verdict = f" (aim: {aim}: {'reached' if reached(value) else 'MISSED'})" if aim else ""
    return f"{what}: {value:.2f} {unit}{verdict}"


COLUMNS = {
    "images_per_second": ("views/s", "{:.0f}"),
    "over_plain": ("/plain", "{:.2f}"),
    "data_wait_percent": ("wait %", "{:.1f}"),
    "p50_ms": ("p50 ms", "{:.0f}"),
    "p95_ms": ("p95 ms", "{:.0f}"),
    "mfu_percent": ("MFU %", "{:.1f}"),
}


def show(results: dict[str, Any]) -> None:
    """Prints a table for each network, and what was left out."""
    console = Console(soft_wrap=True)
    for name, network in results["networks"].items():
        table = Table(title=f"{name}, batches of {network['pairs']} pairs")
        table.add_column("", no_wrap=True)
        for title, _ in COLUMNS.values():
            table.add_column(title, justify="right", no_wrap=True)
        for way, row in network["ways"].items():
            cells = [form.format(row[c]) if c in row else "" for c, (_, form) in COLUMNS.items()]
            table.add_row(way, *cells)
        console.print(table)
    for name, why in results["left_out"].items():
        console.print(f"left out: {name}: {why}", highlight=False, markup=False)
    for line in results["aims"]:
        console.print(line, highlight=False, markup=False)


def main() -> None:
    """Measures, prints, and writes the numbers to --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--minutes", type=float, default=8, help="time for all networks")
    parser.add_argument(
        "--check-resume", action="store_true", help="compare a run with its killed, resumed twin"
    )
    parser.add_argument("--quick", action="store_true", help="a tiny network and few files")
    parser.add_argument("--workers", type=int, default=num_cores(), help="data workers of each way")
    parser.add_argument("--json", type=path_argument, metavar="OUT", help="write to OUT")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    quieten()
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(arguments, Path(folder))
    results["aims"] = aims(results)
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
