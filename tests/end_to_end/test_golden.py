"""The weights of a debug run of each objective with each head are those on record, bit for bit.

golden_weights.json holds a digest of each for every environment that computed it. Elsewhere the
last bits may differ, and Adam makes more of them, so there the norms of the weights are compared
with those of the nearest record. After a change that is meant to change weights:
`python tests/end_to_end/test_golden.py`, and say why in the commit. Where this test fails on
another processor before the change: `git stash`, `python tests/end_to_end/test_golden.py --add`.
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
        "processor": _processor(),
    }


def _processor() -> str:
    """The model and the features of the processor: libraries choose their kernels by them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    pairs = (line.partition(":") for line in lines)
    fields = {name.strip(): value.strip() for name, _, value in pairs}
    wanted = ("vendor_id", "cpu family", "model", "stepping", "cache size")
    flags = " ".join(sorted(fields.get("flags", "").split()))
    digest = hashlib.sha256(flags.encode()).hexdigest()[:8]
    return ", ".join([*(fields.get(name, "") for name in wanted), f"features {digest}"])


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
    records = json.loads(RECORD.read_text())
    here = [record for record in records if record["environment"] == environment()]
    for record in here:
        assert found == record["cells"][cell]
    for record in records:
        assert found.keys() == record["cells"][cell].keys()
    for name, values in found.items():
        norms = [record["cells"][cell][name]["norm"] for record in records]
        nearest = min(norms, key=lambda norm: abs(norm - values["norm"]))
        assert values["norm"] == pytest.approx(nearest, rel=1e-4), name


def _record(add: bool) -> None:
    """Write golden_weights.json from runs of the code as it is; `add` keeps other environments."""
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
    records = json.loads(RECORD.read_text()) if add else []
    records = [record for record in records if record["environment"] != environment()]
    records.append({"environment": environment(), "cells": cells})
    RECORD.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    _record(add="--add" in sys.argv[1:])
