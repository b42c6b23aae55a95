"""A few real pictures in their own layouts: labels, cameras and crops agree."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handpose.augment.views import make_target
from handpose.data.indexed import IndexedDataset
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.interhand import InterHand
from handpose.data.sources.mpii import MpiiHands
from handpose.geometry.camera import project

SOURCES: dict[str, tuple[type[IndexedDataset], dict[str, Any], int]] = {
    "freihand": (FreiHand, {"val_fraction": 0.0, "box_side": 0.7}, 8),
    "interhand": (InterHand, {"annotations": "all"}, 2),
    "mpii": (MpiiHands, {"val_fraction": 0.0}, 4),
}
# Everything that moves, mirrors or recolours a crop.
GEOMETRY = ("rotate", "crop", "random_crop")
EVERYTHING = (*GEOMETRY, "colour_jitter", "gaussian_blur", "gaussian_noise", "cut_out", "sobel")


@pytest.fixture
def opened(real_samples: Path, tmp_path: Path) -> Callable[[str], IndexedDataset]:
    def make(name: str) -> IndexedDataset:
        kind, own, _ = SOURCES[name]
        contract = dict(root=str(real_samples / name), cache=str(tmp_path), image_size=128)
        return kind(**contract | own, split="train")

    return make


@pytest.mark.parametrize("name", SOURCES)
def test_it_loads_from_its_own_layout(name: str, opened: Callable) -> None:
    dataset = opened(name)
    assert len(dataset) == SOURCES[name][2]
    assert dataset.index.problems == []
    assert dataset.index.warnings == []
    sides = {dataset[i].side for i in range(len(dataset))}
    assert sides == ({"right"} if name == "freihand" else {"left", "right"})


@pytest.mark.parametrize("name", ["freihand", "interhand"])
@pytest.mark.parametrize("switches", [(), *((one,) for one in EVERYTHING), EVERYTHING])
def test_the_crop_s_camera_projects_onto_its_joints(
    name: str, switches: tuple[str, ...], opened: Callable, make_settings: Callable
) -> None:
    dataset, settings = opened(name), make_settings(*switches, probability=1.0)
    for index in range(len(dataset)):
        for seed in range(5):
            target = make_target(
                dataset[index],
                settings,
                rng=np.random.default_rng(seed),
                size=128,
                reference_bone="index",
                index=index,
            )
            valid = target.uv_valid & target.z_valid
            error = project(target.K, target.xyz) - target.uvz[:, :2]
            assert valid.any()
            assert np.abs(error[valid]).max() < 0.01


@pytest.mark.parametrize("name", SOURCES)
def test_joints_lie_within_their_boxes(name: str, opened: Callable) -> None:
    dataset = opened(name)
    for index in range(len(dataset)):
        sample = dataset[index]
        inside = np.abs(sample.uv - sample.box[:2]).max(axis=1) <= 0.75 * sample.box[2]
        assert inside[sample.uv_valid].all()
