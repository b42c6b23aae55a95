"""`python scripts/bench_gradient_cache.py [--pairs 256] [--chunk 16] [--json OUT.json]`

Measures a contrastive training step on the CPU with and without gradient caching: memory beside the
model's, and seconds. Each variant runs in its own process.
"""

import argparse
import json
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.table import Table
from torch.utils.data import default_collate

from handpose.augment.views import make_views
from handpose.config.checks.overrides import path_argument
from handpose.config.schema import register
from handpose.pipeline import parts
from handpose.records import Sample, Views
from handpose.skeleton import NUM_JOINTS
from handpose.training.pretrainer import Pretrainer

CONF = Path(__file__).resolve().parents[1] / "conf"


def build_stage(chunk: int | None, size: int, backbone_name: str) -> Pretrainer:
    """Builds a backbone with the contrastive objective, in training mode."""
    register()
    overrides = [f"backbone={backbone_name}", "objective=contrastive", f"dataset.image_size={size}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
    backbone = parts.build_backbone(cfg)
    stage = Pretrainer(
        backbone=backbone,
        objective=parts.build_objective(cfg, backbone, parts.build_view_augmentations(cfg)),
        optimizer=torch.optim.SGD,
        warmup_epochs=0,
        gradient_cache_chunk=chunk,
    )
    return stage.train()


def make_batch(stage: Pretrainer, pairs: int, size: int) -> dict[str, Views]:
    """Makes views of noise; the content of the images does not matter."""
    (settings,) = (part.augmentation for part in stage.objective.parts.values())
    rng = np.random.default_rng(0)
    noise = Sample(
        image=rng.integers(0, 256, (2 * size, 2 * size, 3), dtype=np.uint8),
        uv=np.zeros((NUM_JOINTS, 2), np.float32),
        xyz=np.zeros((NUM_JOINTS, 3), np.float32),
        K=np.eye(3, dtype=np.float32),
        uv_valid=np.zeros(NUM_JOINTS, bool),
        xyz_valid=np.zeros(NUM_JOINTS, bool),
        box=np.array([size, size, size], np.float32),
        side="right",
        key="noise",
    )
    views = [
        make_views(noise, settings, rng=rng, size=size, num_views=2, identity=i, index=i)  # type: ignore[arg-type]
        for i in range(pairs)
    ]
    return {"contrastive": default_collate(views)}


def peak_mb() -> float:
    """Returns the peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(chunk: int | None, pairs: int, size: int, backbone: str) -> dict[str, float]:
    """Runs one step; returns how much the memory peak grew, its seconds and its loss."""
    stage = build_stage(chunk, size, backbone)
    batch = make_batch(stage, pairs, size)
    before, start = peak_mb(), time.perf_counter()
    loss = stage(batch)["loss"]
    loss.backward()
    seconds = time.perf_counter() - start
    return {"MB": peak_mb() - before, "seconds": seconds, "loss": float(loss.detach())}


def compare(pairs: int, chunk: int, size: int, backbone: str) -> dict[str, dict[str, float]]:
    """Measures each way to pass the batch through the backbone."""
    ways = {f"all {pairs} pairs at once": None, f"{chunk} pairs at a time": chunk}
    found = {}
    for way, own in ways.items():
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            found[way] = pool.submit(measure, own, pairs, size, backbone).result()
    return found


def print_table(found: dict[str, dict[str, float]]) -> None:
    """Prints a row for each way."""
    table = Table("the backbone takes", "memory, MB", "seconds", "loss")
    for way, values in found.items():
        table.add_row(
            way, f"{values['MB']:.0f}", f"{values['seconds']:.1f}", f"{values['loss']:.4f}"
        )
    Console().print(table)


def main() -> None:
    """Measures, prints, and writes the numbers to --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--chunk", type=int, default=16)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--json", type=path_argument, metavar="OUT")
    options = parser.parse_args()
    found = compare(options.pairs, options.chunk, options.image_size, options.backbone)
    print_table(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
