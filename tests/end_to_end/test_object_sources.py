"""The real train.py on sources with hands that hold objects, alone and in a mix."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from layouts_dexycb import write_dexycb
from layouts_ho3d import write_ho3d

OWN = {"dexycb": ("dataset.setup=s1",), "ho3d": ("dataset.val_fraction=0.4",)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DexYCB with a subject for each split of s1, and HO-3D."""
    folder = tmp_path_factory.mktemp("data")
    write_dexycb(folder / "dexycb", subjects=(0, 6, 7), places=(0, 2))
    write_ho3d(folder / "ho3d")
    return folder


@pytest.mark.parametrize(("name", "tested"), [("dexycb", 8), ("ho3d", 6)])
def test_alone(name: str, tested: int, train: Callable[..., Path], data: Path) -> None:
    run_dir = train(f"dataset={name}", f"paths.data={data}", *OWN[name], name=name)
    results = json.loads((run_dir / "results.json").read_text())
    assert (results["n_test"], results["split"]) == (tested, "test")
    assert results["finetune_val_split"] == results["pretrain_val_split"] == "val"
    assert results["pa_epe_mm"] > 0
    assert results["epe2d_px"] > 0


def test_in_a_mix(train: Callable[..., Path], data: Path) -> None:
    parts = ("dataset.parts.dexycb.setup=s1", "dataset.parts.ho3d.val_fraction=0.4")
    run_dir = train("dataset=mix", "dataset.sources=[dexycb,ho3d]", f"paths.data={data}", *parts)
    assert json.loads((run_dir / "results.json").read_text())["n_test"] == 8 + 6
    weights = torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())
