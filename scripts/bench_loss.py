"""`python scripts/bench_loss.py [--device cpu] [--views 8192 16384] [--rounds 3] [--json OUT.json]`

Measures NT-Xent in chunks against the masked cross-entropy of the whole matrix, with and without
SiMHand's weights: seconds of a forward and backward pass, in turn, and the peak memory beyond the
inputs, on a CPU each in its own process. `--quick` takes a small batch once, to test the script.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from handpose.config.checks.overrides import path_argument
from handpose.objectives.nt_xent import chunked_nt_xent, whole_nt_xent
from handpose.objectives.pose_weights import Poses, similarity_weights

TEMPERATURE, WIDTH, POSE = 0.1, 128, 63
WHOLE, CHUNKED = "masked cross-entropy", "in chunks"
_PROC = Path("/proc/self")


def whole(z: Tensor, identity: Tensor, poses: Poses | None) -> Tensor:
    """The loss of the whole matrix."""
    weights = None if poses is None else similarity_weights(poses)
    return whole_nt_xent(z, identity, temperature=TEMPERATURE, weights=weights)


def chunked(z: Tensor, identity: Tensor, poses: Poses | None) -> Tensor:
    """The loss in chunks."""
    return chunked_nt_xent(z, identity, temperature=TEMPERATURE, poses=poses)


LOSSES: dict[str, Callable[[Tensor, Tensor, Poses | None], Tensor]] = {
    WHOLE: whole,
    CHUNKED: chunked,
}


def make_inputs(views: int, weighted: bool, device: str) -> tuple[Tensor, Tensor, Poses | None]:
    """Makes random projections, identities of which a few repeat, and poses.

    Args:
        views: Of the batch; half of them pairs.
        weighted: Whether to make poses.
        device: Where the tensors are.
    """
    torch.manual_seed(0)
    pairs = views // 2
    z = torch.randn(pairs, 2, WIDTH).to(device).requires_grad_()
    identity = torch.randint(10 * pairs, (pairs,))[:, None].repeat(1, 2).to(device)
    if not weighted:
        return z, identity, None
    known = torch.ones(pairs, 2, dtype=torch.bool)
    return z, identity, Poses(torch.randn(pairs, 2, POSE).to(device), known.to(device))


def step(name: str, inputs: tuple[Tensor, Tensor, Poses | None]) -> tuple[float, Tensor]:
    """Runs forward and backward; returns the seconds and the gradient."""
    inputs[0].grad = None
    _wait(inputs[0].device)
    start = time.perf_counter()
    LOSSES[name](*inputs).backward()
    _wait(inputs[0].device)
    assert inputs[0].grad is not None
    return time.perf_counter() - start, inputs[0].grad


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_memory(name: str, views: int, weighted: bool, device: str) -> float:
    """Returns the peak MB beyond the inputs of one step; on a CPU of the process that calls it.

    Args:
        name: Of LOSSES.
        views: Of the batch.
        weighted: Whether with weights.
        device: "cpu": resident memory. "cuda": by torch's counters.
    """
    step(name, make_inputs(32, weighted, device))  # loads what the first step loads
    inputs = make_inputs(views, weighted, device)
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step(name, inputs)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    before = _restart_peak()
    step(name, inputs)
    return (_peak_bytes() - before) / 1e6


def _restart_peak() -> int:
    """Lets the peak start at what is resident now (Linux), and returns it in bytes."""
    if (_PROC / "clear_refs").exists():
        (_PROC / "clear_refs").write_text("5")
    return _peak_bytes()


def _peak_bytes() -> int:
    if (_PROC / "status").exists():
        (line,) = (x for x in (_PROC / "status").read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_seconds(views: int, weighted: bool, device: str, rounds: int) -> dict[str, Any]:
    """Runs both in turn; returns the median seconds of each and how far the gradients differ."""
    inputs = make_inputs(views, weighted, device)
    seconds: dict[str, list[float]] = {name: [] for name in LOSSES}
    gradients: dict[str, Tensor] = {}
    for name in LOSSES:  # not counted: the first use of the device
        step(name, make_inputs(256, weighted, device))
    for _ in range(rounds):
        for name in LOSSES:
            taken, gradients[name] = step(name, inputs)
            seconds[name].append(taken)
    difference = (gradients[WHOLE] - gradients[CHUNKED]).abs().max()
    return {
        "seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "gradients_differ": float(difference),
    }


def alone(function: Callable, *arguments: Any) -> Any:
    """Calls a function in a process of its own, whose memory nothing else has used."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def compare(views: int, weighted: bool, device: str, rounds: int) -> dict[str, Any]:
    """Measures both losses on one batch."""
    found = measure_seconds(views, weighted, device, rounds)
    own = alone if device == "cpu" else lambda function, *arguments: function(*arguments)
    memory = {name: own(measure_memory, name, views, weighted, device) for name in LOSSES}
    return found | {
        "MB": memory,
        "times_as_fast": found["seconds"][WHOLE] / found["seconds"][CHUNKED],
        "share_of_memory": memory[CHUNKED] / memory[WHOLE],
    }


def print_table(found: dict[str, dict[str, Any]]) -> None:
    """Prints a row for each batch; the ratios are those of the chunks to the whole."""
    table = Table("batch", "whole, s", "MB", "chunks, s", "MB", "speed", "memory")
    for batch, values in found.items():
        costs = [(f"{values['seconds'][name]:.3f}", f"{values['MB'][name]:.0f}") for name in LOSSES]
        ratios = f"x {values['times_as_fast']:.2f}", f"x {values['share_of_memory']:.3f}"
        table.add_row(batch, *costs[0], *costs[1], *ratios)
    Console().print(table)


def main() -> None:
    """Measures, prints, and writes the numbers to --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--views", type=int, nargs="+", default=[8192, 16384])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", choices=("without", "with", "both"), default="both")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=path_argument, metavar="OUT")
    options = parser.parse_args()
    if options.quick:
        options.views, options.rounds = [1024], 1
    kinds = {"without": (False,), "with": (True,), "both": (False, True)}[options.weights]
    found = {
        f"{views} views" + ", weighted" * weighted: compare(
            views, weighted, options.device, options.rounds
        )
        for views in options.views
        for weighted in kinds
    }
    print_table(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
