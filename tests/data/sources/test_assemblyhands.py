"""AssemblyHands in its official layout: labels, splits, what is left out, and broken input."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken import (
    INFINITY,
    NAN,
    assert_named,
    change_json,
    cut,
    delete,
    open_broken,
    picture,
    put,
    repeat_last,
    write,
)
from layouts_assemblyhands import SEQUENCE, SIZE, write_assemblyhands
from layouts_two_hands import two_hands

from handpose.data.base import MissingSplitError
from handpose.data.index.problems import BrokenDataError
from handpose.data.sources.assemblyhands import AssemblyHands
from handpose.geometry.camera import project

FOLDER = "annotations/train/assemblyhands_train_"
DATA, CALIBRATION = f"{FOLDER}ego_data_v1-1.json", f"{FOLDER}ego_calib_v1-1.json"
JOINTS = f"{FOLDER}joint_3d_v1-1.json"
FIRST = SEQUENCE.format(number=0)
HERE = ("annotations", FIRST, "000000")
IMAGE = f"images/ego_images_rectified/train/{FIRST}/HMC_1/000000.jpg"
RECORD = f"{DATA}#annotations/0"


def pose(*keys: Any, value: Any) -> Callable[[Any], None]:
    """Sets a part of the first image's camera pose."""
    return put("calibration", FIRST, "extrinsics", "000000", "HMC_1_mono10bit", *keys, value=value)


def intrinsics(*keys: Any, value: Any) -> Callable[[Any], None]:
    return put("calibration", FIRST, "intrinsics", "HMC_1_mono10bit", *keys, value=value)


def box(value: Any) -> Callable[[Path], None]:
    return change_json(DATA, put("annotations", 0, "bbox", "right", value=value))


# What is broken: the file that is named, the reason that is given.
KINDS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "missing image": (delete(IMAGE), IMAGE, "cannot be read"),
    "empty image": (write(IMAGE, b""), IMAGE, "0 bytes"),
    "cut image": (cut(IMAGE, 900), IMAGE, "cut|[Pp]remature|end marker"),
    "a page for an image": (write(IMAGE, b"<html>404</html>"), IMAGE, "not an image"),
    "image of another size": (picture(IMAGE, 96, 96), IMAGE, "96 x 96 px, where .* 192 x 96"),
    "no calibration file": (delete(CALIBRATION), CALIBRATION, "cannot be read"),
    "no joints file": (delete(JOINTS), JOINTS, "cannot be read"),
    "cut joints file": (cut(JOINTS, 5000), JOINTS, "cut short"),
    "another file as the joints": (
        write(JOINTS, b'{"a": {}}'),
        JOINTS,
        "there is no 'annotations'",
    ),
    "no list of images": (write(DATA, b'{"annotations": []}'), DATA, "there is no list 'images'"),
    "NaN joint": (
        change_json(JOINTS, put(*HERE, "world_coord", 3, 0, value=NAN)),
        f"{RECORD}/right",
        "xyz is NaN or infinite at joint 1",
    ),
    "infinite joint": (
        change_json(JOINTS, put(*HERE, "world_coord", 41, 0, value=INFINITY)),
        f"{RECORD}/left",
        "xyz is NaN or infinite at joint 0",
    ),
    "41 joints": (
        change_json(JOINTS, lambda c: c["annotations"][FIRST]["000000"]["world_coord"].pop()),
        f"{JOINTS}#{FIRST}/000000",
        "41 x 3 numbers, where 42 x 3",
    ),
    "no joints": (
        change_json(JOINTS, lambda c: c["annotations"][FIRST]["000000"].pop("world_coord")),
        f"{JOINTS}#{FIRST}/000000",
        "the key 'world_coord' is missing",
    ),
    "41 flags": (
        change_json(DATA, lambda c: c["annotations"][0]["joint_valid"].pop()),
        RECORD,
        "joint_valid has 41 entries, not 42",
    ),
    "no box": (
        change_json(DATA, lambda c: c["annotations"][0].pop("bbox")),
        RECORD,
        "the key 'bbox' is missing",
    ),
    "width and height for corners": (
        box([60, 40, 20, 30]),
        RECORD,
        r"the box of the right hand, .* is not x0, y0, x1, y1",
    ),
    "box of three numbers": (box([1, 2, 3]), RECORD, "3 numbers, where 4 are expected"),
    "box off the image": (box([500, 500, 550, 550]), IMAGE, "hand 0: .* is off the image"),
    "box about the other hand": (box([170, 5, 175, 10]), IMAGE, "holds none of its joints"),
    "duplicate annotation": (
        change_json(DATA, repeat_last("annotations")),
        f"{DATA}#annotations/8",
        "the id 500 occurs twice",
    ),
    "duplicate image": (
        change_json(DATA, repeat_last("images")),
        f"{DATA}#images/8",
        "the id 0 occurs twice",
    ),
    "annotation of no image": (
        change_json(DATA, put("annotations", 0, "image_id", value=77)),
        RECORD,
        "there is no image 77",
    ),
    "image without a frame": (
        change_json(DATA, lambda c: c["images"][0].pop("frame_idx")),
        f"{DATA}#images/0",
        "the key 'frame_idx' is missing",
    ),
    "unknown camera": (
        change_json(DATA, put("images", 0, "camera", value="C10095_rgb")),
        RECORD,
        f"there is no camera {FIRST}/C10095_rgb",
    ),
    "no pose of the camera": (
        change_json(CALIBRATION, lambda c: c["calibration"][FIRST]["extrinsics"].pop("000000")),
        RECORD,
        f"there is no camera pose of the frame {FIRST}/000000",
    ),
    "pose of 4 x 4": (
        change_json(CALIBRATION, pose(value=np.eye(4).tolist())),
        f"{CALIBRATION}#{FIRST}/extrinsics/000000",
        "4 x 4 numbers, where 3 x 4",
    ),
    "pose from behind": (
        change_json(CALIBRATION, pose(2, 3, value=-5000)),
        f"{RECORD}/right",
        "joint 0 is behind the camera",
    ),
    "focal length 0": (
        change_json(CALIBRATION, intrinsics(0, 0, value=0)),
        f"{RECORD}/right",
        "K is not a camera matrix",
    ),
    "K as four numbers": (
        change_json(CALIBRATION, intrinsics(value=[1, 2, 3, 4])),
        f"{CALIBRATION}#{FIRST}/intrinsics/HMC_1_mono10bit",
        "4 numbers, where 3 x 3",
    ),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assemblyhands") / "d"
    write_assemblyhands(folder)
    return folder


def opened(root: Path, split: str = "train", **settings: Any) -> AssemblyHands:
    contract = dict(root=str(root), cache=str(root.parent / "cache"), image_size=64, split=split)
    return AssemblyHands(**{"val_fraction": 0.0} | contract | settings)


def test_both_hands_come_into_the_camera_frame(root: Path) -> None:
    train = opened(root)
    samples = [train[i] for i in range(len(train))]
    assert len(samples) == 2 * 4 * 2 - 2
    assert train.index.counts == {"hands without a box, left out": 4}
    for sample in samples[:4]:
        truth, is_left = two_hands(1000, *SIZE), sample.side == "left"
        assert sample.key.endswith(f"/000000.jpg#{int(is_left)}")
        assert np.abs(sample.xyz - truth.xyz[is_left]).max() < 1e-5
        assert np.abs(sample.uv - truth.uv[is_left]).max() < 0.02
        assert np.abs(project(sample.K, sample.xyz) - sample.uv).max() < 0.01
        tight = np.ptp(truth.uv[is_left], axis=0).max()
        assert sample.box[2] == pytest.approx(1.4 * tight, rel=1e-5)
    assert (samples[0].image == samples[0].image[..., :1]).all(), "grey, as three channels"


def test_the_cameras_see_one_pose_and_a_sequence_is_one_group(root: Path) -> None:
    train = opened(root)
    sides = np.array([train[i].side for i in range(len(train))])
    assert len(np.unique(train.identities)) == len(train) / 2  # two cameras
    assert len(np.unique(train.capture_groups)) == 2
    assert len(np.unique(train.identities[sides == "left"])) == (sides == "left").sum() / 2


def test_the_official_val_is_the_test_split(root: Path, tmp_path: Path) -> None:
    train, val, test = (opened(root, s, val_fraction=0.4) for s in ("train", "val", "test"))
    assert "/ego_images_rectified/val/" in test[0].key
    assert {"/ego_images_rectified/train/" in d[0].key for d in (train, val)} == {True}
    assert not set(train.capture_groups) & set(val.capture_groups)
    assert len(train) + len(val) == len(test) == 14
    with pytest.raises(MissingSplitError):
        opened(root, "test", test_split="test")
    write_assemblyhands(tmp_path / "d", splits=("train", "val", "test"))
    official = opened(tmp_path / "d", "test", test_split="test")
    assert "/ego_images_rectified/test/" in official[0].key
    name = "annotation files of the official val split, not used"
    assert official.index.counts[name] == 3
    with pytest.raises(ValueError, match="choose val or test"):
        opened(root, test_split="demo")


def test_hands_and_frames_without_labels_are_counted(tmp_path: Path) -> None:
    write_assemblyhands(tmp_path / "d")
    change_json(JOINTS, lambda c: c["annotations"][FIRST].pop("000002"))(tmp_path / "d")
    flags = [0] * 12 + [1] * 9 + [1] * 20 + [0]
    change_json(DATA, put("annotations", 0, "joint_valid", value=flags))(tmp_path / "d")
    train = opened(tmp_path / "d")
    assert train.index.counts == {
        "hands without a box, left out": 2,
        "images without 3D joints, left out": 2,
        "hands with under 10 labelled joints, left out": 1,
    }
    (sample,) = (
        s for s in map(train.__getitem__, range(2)) if s.key.endswith("HMC_1/000000.jpg#1")
    )
    assert np.flatnonzero(~sample.xyz_valid).tolist() == [0], "the left wrist is the last one"


def test_a_camera_may_have_its_bare_name(tmp_path: Path) -> None:
    write_assemblyhands(tmp_path / "d", splits=("train",))
    path = tmp_path / "d" / CALIBRATION
    path.write_text(path.read_text().replace("_mono10bit", ""))
    assert len(opened(tmp_path / "d")) == 14


def test_other_keys_of_the_files_are_skipped(root: Path) -> None:
    assert json.loads((root / CALIBRATION).read_text())["info"] == "1.1"
    assert opened(root).index.problems == []


def test_at_least_twenty_kinds() -> None:
    assert len(KINDS) >= 20


@pytest.mark.parametrize("kind", KINDS)
def test_broken_input_is_named_and_refused(kind: str, tmp_path: Path) -> None:
    break_it, file, reason = KINDS[kind]
    write_assemblyhands(tmp_path / "d", splits=("train",))
    break_it(tmp_path / "d")
    with pytest.raises(BrokenDataError) as caught:
        open_broken("assemblyhands", tmp_path / "d", tmp_path / "cache")
    assert_named(caught.value, file, reason)


def test_all_broken_input_is_named_in_one_pass(tmp_path: Path) -> None:
    """Kinds that do not hide each other, each on an image of its own."""
    write_assemblyhands(tmp_path / "d", frames=6)
    images = json.loads((tmp_path / "d" / DATA).read_text())["images"]
    names = [f"images/{image['file_name']}" for image in images]
    delete(names[1])(tmp_path / "d")
    write(names[2], b"")(tmp_path / "d")
    change_json(DATA, put("annotations", 3, "image_id", value=77))(tmp_path / "d")
    change_json(DATA, put("annotations", 5, "bbox", "right", value=[9, 9, 1, 1]))(tmp_path / "d")
    joint = put("annotations", SEQUENCE.format(number=1), "000003", "world_coord", 0, 0, value=NAN)
    change_json(JOINTS, joint)(tmp_path / "d")
    with pytest.raises(BrokenDataError) as caught:
        open_broken("assemblyhands", tmp_path / "d", tmp_path / "cache")
    files = [problem.file for problem in caught.value.problems]
    expected = [f"{DATA}#annotations/{n}" for n in (3, 5)]
    expected += [f"{DATA}#annotations/{n}/right" for n in (6, 7)] + names[1:3]
    assert sorted(files) == sorted(expected)
