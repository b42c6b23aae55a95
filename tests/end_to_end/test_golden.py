"""The weights of a debug run of each objective with each head are those on record, bit for bit.

golden_weights.json holds a digest of each and the environment that computed it. Elsewhere the last
bits may differ, so there the norms of the weights are compared instead. After a change that is
meant to change weights: `python tests/end_to_end/test_golden.py`, and say why in the commit.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("golden_weights.json")
HEADS = ("heatmap", "regression")
OBJECTIVES = ("none", "contrastive", "relative", "equivariant", "hybrid")
CELLS = [f"objective={objective} head={head}" for objective in OBJECTIVES for head in HEADS]
FILES = ("backbone.pt", "model.pt")
SCALE = "head.scale."  # has a record of its own, since no other weight depends on it
# Small, and with more than one step in either stage.
SETTINGS = ("trainer=debug", "trainer.accelerator=cpu", "dataset.image_size=64", "report=false")


def environment() -> dict[str, str]:
    """All that may change the last bit of a sum."""
    return {
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
    }


def measured(run_dir: Path) -> dict[str, dict[str, str | float]]:
    """For each file of weights: a digest of its names and bits, and the norm of all its values."""
    found: dict[str, dict[str, str | float]] = {}
    for name in FILES:
        state = torch.load(run_dir / name, weights_only=True)["state_dict"]
        scale = {key: state.pop(key) for key in list(state) if key.startswith(SCALE)}
        found[name] = _digest(state)
        if scale:
            found[f"{name}: {SCALE[:-1]}"] = _digest(scale)
    return found


def _digest(state: dict[str, torch.Tensor]) -> dict[str, str | float]:
    digest = hashlib.sha256()
    for key, value in state.items():
        digest.update(key.encode() + value.contiguous().numpy().tobytes())
    floats = torch.cat([v.flatten().double() for v in state.values() if v.is_floating_point()])
    return {"sha256": digest.hexdigest(), "norm": float(floats.norm())}


@pytest.mark.parametrize("cell", CELLS)
def test_weights_are_those_on_record(
    cell: str, train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = measured(train(*SETTINGS, *cell.split()))
    finally:
        torch.set_num_threads(threads)
    record = json.loads(RECORD.read_text())
    for name, expected in record["cells"][cell].items():
        assert found[name]["norm"] == pytest.approx(expected["norm"], rel=1e-4), name
        if record["environment"] == environment():
            assert found[name]["sha256"] == expected["sha256"], name


def _record() -> None:
    """Write golden_weights.json from runs of the code as it is."""
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        cells = {}
        for number, cell in enumerate(CELLS):
            run_dir = Path(folder) / str(number)
            places = (f"paths.cache={folder}/cache", f"hydra.run.dir={run_dir}")
            command = [sys.executable, str(ROOT / "train.py"), *SETTINGS, *cell.split(), *places]
            subprocess.run(command, check=True, cwd=folder)
            cells[cell] = measured(run_dir)
    content = {"environment": environment(), "cells": cells}
    RECORD.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    _record()
