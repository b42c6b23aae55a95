"""The real train.py on sources with both hands in an image, alone and in a mix."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from layouts import write_mpii
from layouts_assemblyhands import write_assemblyhands
from layouts_rhd import write_rhd

OWN = {"assemblyhands": ("dataset.val_fraction=0.4",), "rhd": ("dataset.val_fraction=0.4",)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_assemblyhands(folder / "assemblyhands")
    write_rhd(folder / "rhd", train=6)
    write_mpii(folder / "mpii")
    return folder


@pytest.mark.parametrize(("name", "tested"), [("assemblyhands", 14), ("rhd", 4)])
def test_alone(name: str, tested: int, train: Callable[..., Path], data: Path) -> None:
    run_dir = train(f"dataset={name}", f"paths.data={data}", *OWN[name], name=name)
    results = json.loads((run_dir / "results.json").read_text())
    assert results["n_test"] == tested
    assert results["split"] == "test"
    assert results["pa_epe_mm"] > 0
    assert results["epe2d_px"] > 0


def test_in_a_mix(train: Callable[..., Path], data: Path) -> None:
    parts = [f"dataset.parts.{name}.val_fraction=0.4" for name in OWN]
    sources = "dataset.sources=[assemblyhands,rhd,mpii]"
    run_dir = train("dataset=mix", sources, f"paths.data={data}", *parts)
    assert (
        json.loads((run_dir / "results.json").read_text())["n_test"] == 11 + 4 + 4
    )  # a third of 32
    weights = torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())
