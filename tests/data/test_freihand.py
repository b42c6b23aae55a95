"""FreiHAND's official layout: versions, splits, labels, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handpose.data.base import MissingSplitError
from handpose.data.freihand import FreiHand
from handpose.geometry.camera import project


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_freihand: Callable) -> Path:
    folder = tmp_path_factory.mktemp("data") / "freihand"
    write_freihand(folder, annotations=10)
    return folder


@pytest.fixture
def load(root: Path) -> Callable[..., FreiHand]:
    def make(split: str, **changes: object) -> FreiHand:
        settings = dict(root=str(root), val_fraction=0.2, box_side=0.6, image_size=64)
        return FreiHand(split=split, **settings | changes)

    return make


def test_versions_share_an_annotation_and_never_straddle_the_cut(load: Callable) -> None:
    train, val = load("train"), load("val")
    assert (len(train), len(val)) == (32, 8)
    assert set(train.identities) & set(val.identities) == set()
    assert np.bincount(np.concatenate((train.identities, val.identities))).tolist() == [4] * 10
    same = np.flatnonzero(train.identities == train.identities[0])
    samples = [train[i] for i in same]
    assert len({sample.key for sample in samples}) == 4
    assert all(np.array_equal(sample.xyz, samples[0].xyz) for sample in samples)
    assert not np.array_equal(samples[0].image, samples[1].image)


def test_labels_project_and_the_box_is_the_stated_part_of_the_centre(load: Callable) -> None:
    sample = load("test")[1]
    assert np.abs(project(sample.K, sample.xyz) - sample.uv).max() < 1e-3
    assert sample.box.tolist() == pytest.approx([31.5, 31.5, 0.6 * 64])
    assert sample.side == "right"


def test_crop_by_joints_centres_on_their_mean(load: Callable) -> None:
    sample = load("test", crop_by="joints")[1]
    centre = sample.uv.mean(0)
    radius = np.linalg.norm(sample.uv - centre, axis=1).max()
    assert sample.box == pytest.approx([*centre, 2 * radius], rel=1e-5)


def test_the_official_evaluation_is_the_test_split(load: Callable, root: Path) -> None:
    assert len(load("test")) == 4
    (root / "evaluation_xyz.json").rename(root / "hidden.json")
    try:
        with pytest.raises(MissingSplitError, match=r"evaluation_xyz\.json is missing"):
            load("test")
    finally:
        (root / "hidden.json").rename(root / "evaluation_xyz.json")


def test_wrong_folders_are_refused_with_the_file(tmp_path: Path, write_freihand: Callable) -> None:
    settings = dict(val_fraction=0.2, box_side=0.6, image_size=64, split="train")
    with pytest.raises(ValueError, match="FreiHAND's layout"):
        FreiHand(root=str(tmp_path / "nowhere"), **settings)
    write_freihand(tmp_path, annotations=3, evaluation=0)
    (tmp_path / "training" / "rgb" / "00000011.jpg").unlink()
    with pytest.raises(ValueError, match="11 images"):
        FreiHand(root=str(tmp_path), **settings)
    (tmp_path / "training" / "rgb" / "00000010.jpg").write_bytes(b"")
    xyz = json.loads((tmp_path / "training_xyz.json").read_text())
    xyz[1][4][0] = float("nan")
    (tmp_path / "training_xyz.json").write_text(json.dumps(xyz))
    with pytest.raises(ValueError, match=r"training_xyz\.json: entries \[1\]"):
        FreiHand(root=str(tmp_path), **settings)


def test_a_cut_picture_is_named(tmp_path: Path, write_freihand: Callable) -> None:
    write_freihand(tmp_path, annotations=2, evaluation=0)
    path = tmp_path / "training" / "rgb" / "00000001.jpg"
    path.write_bytes(path.read_bytes()[:-300])
    dataset = FreiHand(
        root=str(tmp_path), split="train", val_fraction=0.0, box_side=0.6, image_size=64
    )
    with pytest.raises(ValueError, match=r"00000001\.jpg: the JPEG is cut"):
        dataset[1]


def test_real_joints_equal_the_published_ones(real_samples: Path) -> None:
    root = real_samples / "freihand"
    dataset = FreiHand(
        root=str(root), split="train", val_fraction=0.0, box_side=0.6, image_size=128
    )
    published = np.array(json.loads((root / "published_uv.json").read_text()))
    assert len(dataset) == 8
    for index in range(8):
        assert np.abs(dataset[index].uv - published[index % 2]).max() < 0.01
