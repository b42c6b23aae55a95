"""COCO keypoints files of several tools: joints, sides, boxes, splits, and what is left out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import rendered, save_picture, write_json
from layouts_coco import SIDE, SPELLINGS, pair, write_coco, write_cvat, write_roboflow

from handpose.data.base import MissingSplitError
from handpose.data.index.problems import BrokenDataError
from handpose.data.sources.coco import Coco
from handpose.data.targets_dataset import TargetDataset
from handpose.geometry.camera import project
from handpose.skeleton import JOINT_ORDERS

FIRST = {"ours": 900, "cvat": 1000, "roboflow": 1100, "wholebody": 1200, "mmpose": 1300}


@pytest.fixture
def open_it(tmp_path: Path) -> Callable[..., Coco]:
    def make(split: str = "train", **settings: Any) -> Coco:
        contract = dict(root=str(tmp_path / "d"), cache=str(tmp_path / "cache"), image_size=64)
        return Coco(**contract | dict(split=split, val_fraction=0.0) | settings)

    return make


def number_of(spelling: str, index: int) -> int:
    """The number of a hand: WholeBody's left hand is read first, and the first person has none."""
    if spelling != "wholebody" or index == 0:
        return index
    return (index + 1) ^ 1


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_the_same_hands(
    spelling: str, tmp_path: Path, open_it: Callable
) -> None:
    write, settings = SPELLINGS[spelling]
    write(tmp_path / "d")
    dataset = open_it(**settings)
    assert dataset.index.problems == []
    assert len(dataset) == {"roboflow": 4, "wholebody": 7}.get(spelling, 12)
    assert not dataset.crops_by_labels
    for index in range(len(dataset)):
        sample, truth = dataset[index], pair(FIRST[spelling], number_of(spelling, index))
        uv = truth.uv + ([SIDE, 0] if spelling == "wholebody" and truth.is_left else [0, 0])
        assert sample.side == ("left" if truth.is_left else "right")
        assert np.abs(sample.uv - uv)[sample.uv_valid].max() < 1e-3
        assert np.flatnonzero(~sample.uv_valid).tolist() == ([17] if spelling == "cvat" else [])
        side = 80 if spelling == "ours" else np.ptp(uv, axis=0).max() + 8
        assert sample.box == pytest.approx([*(uv.min(0) + uv.max(0)) / 2, side], abs=0.01)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_hand_and_its_mirror_image_are_the_same_crop_and_pose(
    spelling: str, tmp_path: Path, open_it: Callable, make_settings: Callable
) -> None:
    write, settings = SPELLINGS[spelling]
    write(tmp_path / "d")
    dataset = open_it(**settings)
    targets = TargetDataset(dataset, make_settings(), seed=0)
    start = 1 if spelling == "wholebody" else 0  # its first hand has no partner
    for index in range(start, len(dataset) - 1, 2):
        one, other = targets[0, index], targets[0, index + 1]
        assert one.is_left != other.is_left
        valid = one.uv_valid
        assert np.array_equal(valid, other.uv_valid)
        assert np.abs(one.uvz - other.uvz)[valid][:, :2].max() < 0.01
        if spelling == "mmpose":
            assert one.z_valid.all()
            assert np.abs(one.uvz - other.uvz).max() < 0.01
            assert np.abs(one.xyz - other.xyz).max() < 1e-4
        if spelling != "wholebody":  # there the other hand stands on another side
            assert np.abs(one.image.astype(int) - other.image.astype(int)).mean() < 1


def test_3d_of_mmpose_is_in_metres_before_the_camera(tmp_path: Path, open_it: Callable) -> None:
    write, settings = SPELLINGS["mmpose"]
    write(tmp_path / "d")
    sample, truth = open_it(**settings)[3], pair(1300, 3)
    assert np.abs(sample.xyz - truth.xyz).max() < 1e-6
    assert np.abs(project(sample.K, sample.xyz) - sample.uv).max() < 0.02
    assert len(open_it("test", **settings)) == 12


def test_the_flag_0_unlabels_a_joint_in_3d_too(tmp_path: Path, open_it: Callable) -> None:
    write, settings = SPELLINGS["mmpose"]
    write(tmp_path / "d")
    file = tmp_path / "d" / settings["file"]
    content = json.loads(file.read_text())
    content["annotations"][3]["keypoints"][JOINT_ORDERS["rhd"][8]][2] = 0
    write_json(file, content)
    sample = open_it(**settings)[3]
    for valid in (sample.uv_valid, sample.xyz_valid):
        assert np.flatnonzero(~valid).tolist() == [8]


def test_what_is_no_labelled_hand_is_left_out_and_counted(
    tmp_path: Path, open_it: Callable
) -> None:
    write_cvat(tmp_path / "d")
    file = tmp_path / "d/annotations/person_keypoints_default.json"
    content = json.loads(file.read_text())
    hands = content["annotations"][1::2]
    hands[0]["keypoints"] = [0] * 63
    del hands[1]["keypoints"]
    file.write_text(json.dumps(content))
    dataset = open_it(file="annotations/person_keypoints_default.json")
    assert dataset.index.problems == []
    assert len(dataset) == 10
    assert dataset.index.counts == {
        "annotations of 17 keypoints, not 21, left out": 12,
        "annotations without keypoints, left out": 1,
        "hands without a labelled joint, left out": 1,
    }


def test_several_hands_of_an_image_and_a_box_of_the_joints(
    tmp_path: Path, open_it: Callable
) -> None:
    write_coco(tmp_path / "d", train=4)
    file = tmp_path / "d/labels.json"
    content = json.loads(file.read_text())
    for number, box in ((0, None), (1, [0, 0, 0, 0]), (2, [10, 20, 40, 30])):
        content["annotations"][number] |= {"image_id": 1, "bbox": box}
    file.write_text(json.dumps(content))
    dataset = open_it()
    keys = [dataset[i].key for i in range(3)]
    assert keys == [f"coco/pictures/900.png#{place}" for place in range(3)]
    assert len(set(dataset.identities.tolist())) == 4
    for sample in (dataset[0], dataset[1]):
        assert sample.box[:2] == pytest.approx(sample.uv.mean(0), abs=1e-3)
    assert dataset[2].box.tolist() == [30, 35, 40]
    assert dataset.crops_by_labels
    assert len(set(dataset.capture_groups[:3].tolist())) == 1


def test_the_splits_of_files_and_of_our_cut(tmp_path: Path, open_it: Callable) -> None:
    write_roboflow(tmp_path / "d")
    _, settings = SPELLINGS["roboflow"]
    assert [len(open_it(s, **settings, image_size=32)) for s in ("train", "val", "test")] == [4] * 3
    assert not open_it(**settings).is_cut
    val = open_it("val", **settings)
    assert val[0].key.startswith("coco/valid/0_png.rf.")
    alone = {"file": settings["file"]}
    with pytest.raises(MissingSplitError, match="no hand in the test split"):
        open_it("test", **alone)


def test_an_image_of_two_splits_is_named_by_whatever_path(
    tmp_path: Path, open_it: Callable
) -> None:
    write_coco(tmp_path / "d", train=2, test=0)
    content = json.loads((tmp_path / "d/labels.json").read_text())
    (tmp_path / "d/labels.json").unlink()
    for image in content["images"]:
        image["file_name"] = f"../{image['file_name']}"
    for split in ("train", "val"):
        write_json(tmp_path / f"d/{split}/labels.json", content)
    files = {"file": "train/labels.json", "val_file": "val/labels.json"}
    told = r"train/labels\.json has hands of its image too, pictures/900\.png"
    with pytest.raises(BrokenDataError, match=told):
        open_it(**files)


def test_our_cut_keeps_a_video_on_one_side(tmp_path: Path, open_it: Callable) -> None:
    write_coco(tmp_path / "d", train=40, test=0)
    content = json.loads((tmp_path / "d/labels.json").read_text())
    for number, image in enumerate(content["images"]):
        name = f"video{number // 4}/{number:03d}.png"
        save_picture(tmp_path / "d" / name, rendered(1, SIDE).image)
        image["file_name"] = name
    write_json(tmp_path / "d/labels.json", content)
    train, val = (open_it(split, val_fraction=0.3) for split in ("train", "val"))
    assert len(train) + len(val) == 40
    videos = [{d.image_name(i).split("/")[0] for i in range(len(d))} for d in (train, val)]
    assert videos[0]
    assert videos[1]
    assert not videos[0] & videos[1]
    assert train.index.layout == "cut into training and validation by top folder"


def test_a_file_as_windows_writes_it(tmp_path: Path, open_it: Callable) -> None:
    write_coco(tmp_path / "d", train=4)
    file = tmp_path / "d/labels.json"
    content = {"version": "1.0", "year": None} | json.loads(file.read_text())
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace("/", "\\")
    file.write_text(json.dumps(content), encoding="utf-8-sig")
    assert len(open_it()) == 4


@pytest.mark.parametrize(
    ("fields", "side"),
    [
        ({"side": "Left"}, "left"),
        ({"hand_side": "r"}, "right"),
        ({"hand_type": "LEFT HAND"}, "left"),
        ({"is_left": 1}, "left"),
        ({"is_left": False}, "right"),
        ({"is_right": True}, "right"),
        ({"attributes": {"handedness": "left_hand"}}, "left"),
        ({"attributes": {"occluded": False}, "side": None}, None),
        ({"attributes": ["left"]}, None),
    ],
)
def test_a_side_of_a_field(
    fields: dict, side: str | None, tmp_path: Path, open_it: Callable
) -> None:
    write_coco(tmp_path / "d", train=2)
    content = json.loads((tmp_path / "d/labels.json").read_text())
    for category in content["categories"]:
        category["name"] = "hand"
    for record in content["annotations"]:
        del record["side"]
        record |= fields
    write_json(tmp_path / "d/labels.json", content)
    if side is not None:
        assert open_it()[0].side == side
        return
    with pytest.raises(BrokenDataError, match=r"#annotations/0: its side is not known: set datas"):
        open_it()
    assert open_it(side="left")[1].side == "left"


@pytest.mark.parametrize(
    "joint_order", ["interhand", "ho3d", "bighand", list(JOINT_ORDERS["rhd"])], ids=str
)
def test_an_order_that_is_set_replaces_the_names(
    joint_order: Any, tmp_path: Path, open_it: Callable
) -> None:
    write_coco(tmp_path / "d", train=4)
    order = JOINT_ORDERS.get(str(joint_order), joint_order)
    content = json.loads((tmp_path / "d/labels.json").read_text())
    for record in content["annotations"]:
        theirs = np.empty((21, 3))
        theirs[list(order)] = np.reshape(record["keypoints"], (21, 3))
        record["keypoints"] = theirs.ravel().tolist()
    write_json(tmp_path / "d/labels.json", content)
    sample = open_it(joint_order=joint_order)[0]
    assert np.abs(sample.uv - pair(900, 0).uv).max() < 1e-3


def test_settings_that_are_none(open_it: Callable) -> None:
    with pytest.raises(ValueError, match="joint_order=rdh: choose one of ours, freihand"):
        open_it(joint_order="rdh")
    with pytest.raises(ValueError, match=r"joint_order=.*: list each number from 0 to 20 once"):
        open_it(joint_order=[0, 1, 2])
