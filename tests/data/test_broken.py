"""Broken input: every kind is named by file and reason; none is a silent number."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken import (
    CAMERA,
    DATA,
    IMAGE,
    INFINITY,
    JOINTS,
    LABEL,
    NAN,
    SOURCES,
    assert_named,
    change_json,
    change_line,
    cut,
    delete,
    open_broken,
    picture,
    put,
    repeat_last,
    write,
)

from handpose.data.index.problems import BrokenDataError
from handpose.data.indexed import IndexedDataset

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
        return open_broken(source, root, tmp_path / "cache", **settings)

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
    assert_named(caught.value, file, reason)
