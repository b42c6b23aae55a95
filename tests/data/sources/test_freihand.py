"""FreiHAND's official layout: versions, splits and labels."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import write_freihand

from handpose.data.base import MissingSplitError
from handpose.data.sources.freihand import FreiHand
from handpose.geometry.camera import project


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_freihand(folder / "freihand", annotations=10)
    return folder


@pytest.fixture
def load(folder: Path) -> Callable[..., FreiHand]:
    def make(split: str, **changes: object) -> FreiHand:
        settings = dict(root=str(folder / "freihand"), cache=str(folder / "cache"), image_size=64)
        return FreiHand(split=split, **settings | dict(val_fraction=0.2, box_side=0.6) | changes)

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


def test_image_i_has_annotation_i_modulo_their_number(load: Callable, folder: Path) -> None:
    xyz = json.loads((folder / "freihand/training_xyz.json").read_text())
    train = load("train")
    for sample in (train[0], train[17], train[31]):
        number = int(sample.key.split("/")[-1].split(".")[0])
        assert sample.xyz == pytest.approx(np.array(xyz[number % 10]), abs=1e-6)
        assert sample.scale == pytest.approx(np.linalg.norm(sample.xyz[10] - sample.xyz[9]), 1e-4)


def test_labels_project_and_the_box_is_the_stated_part_of_the_centre(load: Callable) -> None:
    sample = load("test")[1]
    assert np.abs(project(sample.K, sample.xyz) - sample.uv).max() < 1e-3
    assert sample.box.tolist() == pytest.approx([111.5, 111.5, 0.6 * 224])
    assert sample.side == "right"
    assert sample.key == "freihand/evaluation/rgb/00000001.jpg#0"


def test_crop_by_joints_centres_on_their_mean(load: Callable) -> None:
    sample = load("test", crop_by="joints")[1]
    centre = sample.uv.mean(0)
    radius = np.linalg.norm(sample.uv - centre, axis=1).max()
    assert sample.box == pytest.approx([*centre, 2 * radius], rel=1e-5)


def test_poses_are_those_of_the_split_once_each(load: Callable) -> None:
    assert load("train").poses().shape == (8, 21, 3)
    assert load("test").poses().shape == (4, 21, 3)
    train = load("train")
    first, last = train[0].xyz, train[31].xyz
    of_two = train.poses(np.array([0, 8, 31]))  # 0 and 8 are versions of one pose
    assert np.array_equal(of_two, [first, last])


def test_an_aligned_error_takes_three_joints_of_some_hand(
    load: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though no hand has its wrist and its index MCP, so that no pose is complete."""
    dataset = load("val")
    for joints, has_one in (([0, 5], True), ([*range(2, 21)], False), ([*range(3, 21)], True)):
        columns = {name: np.array(array) for name, array in dataset._arrays.items()}
        columns["xyz_valid"][:, joints] = False
        with monkeypatch.context() as patch:
            patch.setattr(dataset, "_arrays", columns)
            assert dataset.has_aligned_error == has_one
            assert len(dataset.poses()) == 0
    assert dataset.has_aligned_error


def test_without_the_official_labels_the_test_hands_have_a_camera_and_a_scale(
    tmp_path: Path,
) -> None:
    write_freihand(tmp_path / "a", annotations=2)
    (tmp_path / "a/evaluation_xyz.json").unlink()
    settings = dict(val_fraction=0.5, box_side=0.7, image_size=64, cache=str(tmp_path / "cache"))
    sample = FreiHand(root=str(tmp_path / "a"), split="test", **settings)[3]
    assert not sample.xyz_valid.any()
    assert not sample.uv_valid.any()
    assert sample.K[0, 0] > 1
    assert 0.01 < sample.scale < 0.1


def test_without_the_official_evaluation_there_is_no_test_split(tmp_path: Path) -> None:
    write_freihand(tmp_path / "a", annotations=2, evaluation=0)
    settings = dict(val_fraction=0.5, box_side=0.7, image_size=64, cache=str(tmp_path / "cache"))
    assert len(FreiHand(root=str(tmp_path / "a"), split="train", **settings)) == 4
    with pytest.raises(MissingSplitError, match="no hand in the test split"):
        FreiHand(root=str(tmp_path / "a"), split="test", **settings)


def test_real_joints_equal_the_published_ones(real_samples: Path, tmp_path: Path) -> None:
    root = real_samples / "freihand"
    settings = dict(val_fraction=0.0, box_side=0.6, image_size=128, cache=str(tmp_path))
    dataset = FreiHand(root=str(root), split="train", **settings)
    published = np.array(json.loads((root / "published_uv.json").read_text()))
    assert len(dataset) == 8
    for index in range(8):
        assert np.abs(dataset[index].uv - published[index % 2]).max() < 0.01
