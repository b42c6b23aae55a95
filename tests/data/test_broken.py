"""Broken input: every kind is named by file and reason in one pass; none is a silent number."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from layouts import write_freihand, write_interhand, write_manifest, write_mpii, write_youtube

from handpose.data.index.problems import BrokenDataError, read_quarantine, write_quarantine
from handpose.data.indexed import IndexedDataset
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.interhand import InterHand
from handpose.data.sources.manifest import Manifest
from handpose.data.sources.mpii import MpiiHands
from handpose.data.sources.youtube import YouTube3D

SOURCES: dict[str, tuple[Callable, type[IndexedDataset], dict[str, Any]]] = {
    "freihand": (write_freihand, FreiHand, {"val_fraction": 0.25, "box_side": 0.7}),
    "interhand": (write_interhand, InterHand, {"annotations": "all"}),
    "mpii": (write_mpii, MpiiHands, {"val_fraction": 0.2}),
    "youtube": (write_youtube, YouTube3D, {"joint_regressor": None}),
    "manifest": (write_manifest, Manifest, {"file": "labels.jsonl", "val_fraction": 0.2}),
}
NAN, INFINITY = float("nan"), float("inf")
IMAGE = "training/rgb/00000005.jpg"
DATA = "annotations/train/InterHand2.6M_train_data.json"
JOINTS = "annotations/train/InterHand2.6M_train_joint_3d.json"
CAMERA = "annotations/train/InterHand2.6M_train_camera.json"
LABEL = "hand_labels/manual_train/000000500_01_r.json"


def change_json(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        content = json.loads((root / name).read_text())
        change(content)
        (root / name).write_text(json.dumps(content))

    return act


def change_line(number: int, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        lines = (root / "labels.jsonl").read_text().splitlines()
        row = json.loads(lines[number - 1])
        change(row)
        lines[number - 1] = json.dumps(row)
        (root / "labels.jsonl").write_text("\n".join(lines))

    return act


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes(content) and None


def cut(name: str, length: int) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:length]) and None


def delete(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def picture(name: str, width: int, height: int) -> Callable[[Path], None]:
    image = np.zeros((height, width, 3), np.uint8)
    return lambda root: cv2.imwrite(str(root / name), image) and None


def put(*keys: Any, value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def repeat_last(key: str) -> Callable[[Any], None]:
    return lambda content: content[key].append(content[key][0])


# source, what is broken, the file that is named, the reason that is given.
KINDS: dict[str, tuple[str, Callable[[Path], None], str, str]] = {
    "missing picture": ("freihand", delete(IMAGE), IMAGE, "cannot be read"),
    "empty picture": ("freihand", write(IMAGE, b""), IMAGE, "0 bytes"),
    "cut picture": ("freihand", cut(IMAGE, 2000), IMAGE, "cut|[Pp]remature|end marker"),
    "no picture": ("freihand", write(IMAGE, b"<html>404</html>"), IMAGE, "not an image"),
    "wrong size": ("freihand", picture(IMAGE, 200, 224), IMAGE, "200 x 224 px, where .* 224 x 224"),
    "NaN joint": (
        "freihand",
        change_json("training_xyz.json", put(3, 7, 1, value=NAN)),
        "training_xyz.json#3",
        "NaN or infinite at joint 7",
    ),
    "null joint": (
        "freihand",
        change_json("training_xyz.json", put(3, 7, 1, value=None)),
        "training_xyz.json#3",
        "NaN or infinite at joint 7",
    ),
    "infinite joint": (
        "interhand",
        change_json(JOINTS, put("0", "1", "world_coord", 2, 0, value=INFINITY)),
        f"{DATA}#annotations/0",
        "NaN or infinite",
    ),
    "20 joints": (
        "freihand",
        change_json("training_xyz.json", lambda content: content[2].pop()),
        "training_xyz.json#2",
        "20 x 3 numbers, where 21 x 3",
    ),
    "count mismatch": (
        "freihand",
        change_json("training_K.json", lambda content: content.pop()),
        "training",
        "different lengths: .*7.*8",
    ),
    "cut JSON": ("freihand", cut("training_xyz.json", 3000), "training_xyz.json", "cut short"),
    "missing annotation file": (
        "freihand",
        delete("training_K.json"),
        "training_K.json",
        "missing",
    ),
    "no camera matrix": (
        "freihand",
        change_json("training_K.json", put(1, 0, 0, value=0.0)),
        "training_xyz.json#1",
        "K is not a camera matrix",
    ),
    "behind the camera": (
        "freihand",
        change_json("training_xyz.json", put(1, 4, 2, value=-0.5)),
        "training_xyz.json#1",
        "joint 4 is behind the camera|scale bone",
    ),
    "millimetres": (
        "freihand",
        change_json("training_scale.json", put(1, value=28.0)),
        "training_xyz.json#1",
        "its scale bone is 0.0.* m, the scale 28",
    ),
    "one point": (
        "freihand",
        change_json("training_xyz.json", put(1, value=[[0.0, 0.0, 0.5]] * 21)),
        "training_xyz.json#1",
        "scale bone is 0.0000|at one point",
    ),
    "missing key": (
        "interhand",
        change_json(DATA, lambda content: content["annotations"][0].pop("bbox")),
        f"{DATA}#annotations/0",
        "the key 'bbox' is missing",
    ),
    "duplicate id": (
        "interhand",
        change_json(DATA, repeat_last("annotations")),
        f"{DATA}#annotations/10",
        "the id 1001 occurs twice",
    ),
    "duplicate image": (
        "interhand",
        change_json(DATA, repeat_last("images")),
        f"{DATA}#images/10",
        "the id 1001 occurs twice",
    ),
    "annotation of no image": (
        "interhand",
        change_json(DATA, put("annotations", 0, "image_id", value=77)),
        f"{DATA}#annotations/0",
        "there is no image 77",
    ),
    "no such camera": (
        "interhand",
        change_json(CAMERA, lambda content: content.pop("0")),
        f"{DATA}#annotations/0",
        "there is no camera 0/400001",
    ),
    "half a camera": (
        "interhand",
        change_json(CAMERA, lambda content: content["0"]["focal"].pop("400001")),
        f"{CAMERA}#0/400001",
        "the key '400001' is missing",
    ),
    "box off the image": (
        "interhand",
        change_json(DATA, put("annotations", 0, "bbox", value=[500, 500, 50, 50])),
        "images/train/Capture0/seq/cam400001/image1.jpg",
        "off the image",
    ),
    "empty box": (
        "interhand",
        change_json(DATA, put("annotations", 0, "bbox", value=[40, 40, 0, 0])),
        "images/train/Capture0/seq/cam400001/image1.jpg",
        "is not a square",
    ),
    "unknown side": (
        "interhand",
        change_json(DATA, put("annotations", 0, "hand_type", value="both")),
        f"{DATA}#annotations/0",
        "'both' is not left, right or interacting",
    ),
    "picture without label": ("mpii", delete(LABEL), LABEL.replace("json", "jpg"), "no .json"),
    "label without picture": (
        "mpii",
        delete(LABEL.replace("json", "jpg")),
        LABEL.replace("json", "jpg"),
        "cannot be read",
    ),
    "nothing labelled": (
        "mpii",
        change_json(LABEL, put("hand_pts", value=[[0, 0, 0]] * 21)),
        LABEL,
        "no joint is labelled",
    ),
    "text for a number": (
        "mpii",
        change_json(LABEL, put("hand_pts", 0, value=["left", "top", 1])),
        LABEL,
        "not 21 x 3 numbers",
    ),
    "a key twice": ("mpii", write(LABEL, b'{"is_left": 0, "is_left": 1}'), LABEL, "occurs twice"),
    "cut mesh": (
        "youtube",
        change_json("youtube_train.json", lambda c: c["annotations"][1]["vertices"].pop()),
        "youtube_train.json#annotations/1",
        "777 x 3 numbers",
    ),
    "NaN mesh": (
        "youtube",
        change_json("youtube_train.json", put("annotations", 1, "vertices", 5, 2, value=NAN)),
        "youtube_train.json#annotations/1",
        "NaN or infinite",
    ),
    "pixels for metres": (
        "manifest",
        change_line(1, lambda row: row.update(uv=(2 * np.array(row["uv"])).tolist())),
        "labels.jsonl#1",
        "px away from uv",
    ),
    "3D without camera": (
        "manifest",
        change_line(1, lambda row: row.pop("K")),
        "labels.jsonl#1",
        "xyz but no K",
    ),
    "no JSON": (
        "manifest",
        lambda root: (
            (root / "labels.jsonl").write_text((root / "labels.jsonl").read_text() + "\n{broken")
            and None
        ),
        "labels.jsonl#10",
        "Expecting property name",
    ),
}


@pytest.fixture
def open_it(tmp_path: Path) -> Callable[..., IndexedDataset]:
    def make(source: str, root: Path, **settings: Any) -> IndexedDataset:
        _, kind, own = SOURCES[source]
        contract = dict(root=str(root), cache=str(tmp_path / "cache"), image_size=64, split="train")
        return kind(**contract | own | settings)

    return make


def test_at_least_twenty_kinds() -> None:
    assert len(KINDS) >= 20


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_named_and_refused(kind: str, tmp_path: Path, open_it: Callable) -> None:
    source, break_it, file, reason = KINDS[kind]
    SOURCES[source][0](tmp_path / "d")
    break_it(tmp_path / "d")
    with pytest.raises(BrokenDataError) as caught:
        open_it(source, tmp_path / "d")
    named = {problem.file: problem.reason for problem in caught.value.problems}
    assert file in named
    assert re.search(reason, named[file])
    assert f"{file}: {named[file]}" in str(caught.value)


def test_all_are_found_in_one_pass_and_a_quarantine_leaves_them_out(
    tmp_path: Path, open_it: Callable
) -> None:
    root, listed = tmp_path / "d", tmp_path / "bad.csv"
    write_freihand(root)
    whole = len(open_it("freihand", root))
    for kind in ("NaN joint", "20 joints", "no camera matrix"):
        KINDS[kind][1](root)
    for number, break_it in enumerate((delete, lambda name: write(name, b""))):
        break_it(f"training/rgb/{number:08d}.jpg")(root)
    with pytest.raises(
        BrokenDataError, match=r"(?s)5 bad files or records.*--quarantine FILE"
    ) as caught:
        open_it("freihand", root)
    write_quarantine(listed, caught.value.problems[:4])
    with pytest.raises(BrokenDataError, match="1 bad files or records"):
        open_it("freihand", root, quarantine=str(listed))
    write_quarantine(listed, caught.value.problems)
    assert read_quarantine(listed) == {problem.file for problem in caught.value.problems}
    left = open_it("freihand", root, quarantine=str(listed), val_fraction=0.0)
    assert whole == 24
    # Three annotations of four versions, and picture 0 beside; picture 1 has a bad annotation too.
    assert len(left) == 32 - 3 * 4 - 1
    assert all(np.isfinite(left[i].xyz).all() for i in range(len(left)))


def test_a_quarantine_that_is_none(tmp_path: Path, open_it: Callable) -> None:
    write_freihand(tmp_path / "d", annotations=2, evaluation=0)
    (tmp_path / "bad.csv").write_text("training/rgb/00000001.jpg\nx\n")
    for name in ("bad.csv", "none.csv"):
        with pytest.raises(ValueError, match=f"dataset.quarantine=.*{name}: not a CSV file"):
            open_it("freihand", tmp_path / "d", quarantine=str(tmp_path / name))


def test_an_index_is_built_again_when_the_source_has_changed(
    tmp_path: Path, open_it: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, builds = tmp_path / "d", []
    write_freihand(root, annotations=4)
    read = FreiHand.read
    monkeypatch.setattr(
        FreiHand, "read", lambda self, collector: builds.append(1) or read(self, collector)
    )
    before = open_it("freihand", root)[0].xyz
    open_it("freihand", root, split="val")
    assert len(builds) == 1
    content = np.array(json.loads((root / "training_xyz.json").read_text()))
    content[..., 0] += 0.01
    (root / "training_xyz.json").write_text(json.dumps(content.tolist()))
    after = open_it("freihand", root)[0].xyz
    assert after[:, 0] == pytest.approx(before[:, 0] + 0.01, abs=1e-6)
    assert len(builds) == 2


def test_a_file_mended_in_place_is_good_again(tmp_path: Path, open_it: Callable) -> None:
    root = tmp_path / "d"
    write_freihand(root, annotations=4)
    whole = (root / IMAGE).read_bytes()
    cut(IMAGE, 2000)(root)
    with pytest.raises(BrokenDataError, match="1 bad files"):
        open_it("freihand", root)
    (root / IMAGE).write_bytes(whole)
    assert len(open_it("freihand", root, val_fraction=0.0)) == 16


def test_a_picture_of_a_bad_record_is_looked_at_too(tmp_path: Path, open_it: Callable) -> None:
    root = tmp_path / "d"
    write_freihand(root)
    KINDS["20 joints"][1](root)  # annotation 2
    picture = "training/rgb/00000010.jpg"  # its second version
    write(picture, b"")(root)
    with pytest.raises(BrokenDataError) as caught:
        open_it("freihand", root)
    assert {problem.file for problem in caught.value.problems} == {"training_xyz.json#2", picture}


@pytest.mark.parametrize("content", ["", "image,side\n", "\n\n"])
@pytest.mark.parametrize("file", ["labels.csv", "labels.jsonl"])
def test_a_manifest_without_rows_says_so(file: str, content: str, tmp_path: Path) -> None:
    text = content.strip("aegimsd,") if file.endswith("jsonl") else content
    (tmp_path / file).write_text(text)
    with pytest.raises(BrokenDataError, match=rf"{file}: it has no row of data"):
        Manifest(
            root=str(tmp_path),
            cache=str(tmp_path / "cache"),
            file=file,
            split="train",
            image_size=32,
            val_fraction=0.2,
        )
