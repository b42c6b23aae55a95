"""The real train.py on the sources of tracked hands, objects and annotation tools."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from layouts import write_mpii
from layouts_assemblyhands import write_assemblyhands
from layouts_coco import write_mmpose_rhd
from layouts_dexycb import write_dexycb
from layouts_ho3d import write_ho3d
from layouts_rhd import write_rhd

OWN = {
    "assemblyhands": ("val_fraction=0.4",),
    "coco": (
        *("file=annotations/rhd_train.json", "test_file=annotations/rhd_test.json"),
        *("joint_order=rhd", "val_fraction=0.3"),
    ),
    "dexycb": ("setup=s1",),
    "ho3d": ("val_fraction=0.4",),
    "rhd": ("val_fraction=0.4",),
}
TESTED = {"assemblyhands": 14, "coco": 12, "dexycb": 8, "ho3d": 6, "rhd": 4}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each source, DexYCB with a subject for each split of s1; and 2D labels for the mix."""
    folder = tmp_path_factory.mktemp("data")
    write_assemblyhands(folder / "assemblyhands")
    write_mmpose_rhd(folder / "coco")
    write_dexycb(folder / "dexycb", subjects=(0, 6, 7), places=(0, 2))
    write_ho3d(folder / "ho3d")
    write_rhd(folder / "rhd", train=6)
    write_mpii(folder / "mpii")
    return folder


@pytest.mark.parametrize("name", OWN)
def test_alone(name: str, train: Callable[..., Path], data: Path) -> None:
    settings = (f"dataset.{setting}" for setting in OWN[name])
    run_dir = train(f"dataset={name}", f"paths.data={data}", *settings, name=name)
    results = json.loads((run_dir / "results.json").read_text())
    assert (results["n_test"], results["split"]) == (TESTED[name], "test")
    assert results["finetune_val_split"] == results["pretrain_val_split"] == "val"
    assert results["pa_epe_mm"] > 0
    assert results["epe2d_px"] > 0


def test_in_a_mix(train: Callable[..., Path], data: Path) -> None:
    sources = f"dataset.sources=[{','.join(OWN)},mpii]"
    parts = (f"dataset.parts.{name}.{setting}" for name in OWN for setting in OWN[name])
    run_dir = train("dataset=mix", sources, f"paths.data={data}", *parts, "trainer.caps.samples=96")
    results = json.loads((run_dir / "results.json").read_text())
    assert results["n_test"] == sum(TESTED.values()) + 4
    weights = torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())
