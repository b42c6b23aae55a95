"""Layouts as people have them: half a dataset, strays of macOS and browsers, odd names."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import rendered, save_picture, write_folder, write_freihand, write_manifest, write_mpii

from handpose.data.base import MissingSplitError
from handpose.data.index.problems import (
    BrokenDataError,
    as_lines,
    read_quarantine,
    write_quarantine,
)
from handpose.data.sources.folder import Folder
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.manifest import Manifest
from handpose.data.sources.mpii import MpiiHands
from handpose.media.frames import read_images
from handpose.media.inputs import find_input

OPTIONS: dict[type, dict[str, Any]] = {
    FreiHand: {"box_side": 0.7},
    MpiiHands: {},
    Manifest: {"file": "labels.jsonl"},
    Folder: {"boxes": None, "min_side": 16, "max_left_out": 0.5},
}
NOT_UTF_8 = os.fsdecode(b"h\xe4nde.jpg")


@pytest.fixture
def open_it(tmp_path: Path) -> Callable[..., Any]:
    def make(kind: type, split: str = "train", **settings: Any) -> Any:
        contract = dict(root=str(tmp_path / "d"), cache=str(tmp_path / "cache"), image_size=32)
        contract |= dict(split=split, val_fraction=0.2) | OPTIONS[kind] | settings
        return kind(**contract)

    return make


def test_the_evaluation_archive_of_freihand_alone(tmp_path: Path, open_it: Callable) -> None:
    write_freihand(tmp_path / "d", annotations=2)
    shutil.rmtree(tmp_path / "d/training")
    for file in (tmp_path / "d").glob("training_*"):
        file.unlink()
    test = open_it(FreiHand, "test")
    assert len(test) == 4
    assert test.index.problems == []
    assert test.index.counts == {"training annotations that are not on this disk": 1}
    with pytest.raises(MissingSplitError, match="no hand in the train split"):
        open_it(FreiHand, "train")
    (tmp_path / "d/evaluation_K.json").unlink()
    with pytest.raises(BrokenDataError, match=r"training_K\.json: missing, and so is evaluation_K"):
        open_it(FreiHand, "test")


@pytest.mark.parametrize(
    ("write", "kind", "folder"),
    [
        (write_freihand, FreiHand, "training/rgb"),
        (write_mpii, MpiiHands, "hand_labels/manual_train"),
    ],
)
def test_strays_are_no_images(
    write: Callable, kind: type, folder: str, tmp_path: Path, open_it: Callable
) -> None:
    write(tmp_path / "d")
    before = len(open_it(kind))
    name = sorted((tmp_path / "d" / folder).glob("*.jpg"))[0].stem
    for stray in (f"._{name}.jpg", f"._{name}.json", f"{name} (1).jpg", "Thumbs.db", ".DS_Store"):
        (tmp_path / "d" / folder / stray).write_bytes(b"x")
    after = open_it(kind)
    assert len(after) == before
    assert after.index.problems == []


def test_a_name_that_is_not_utf_8_is_left_out_by_name(
    tmp_path: Path, open_it: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    write_folder(tmp_path / "d")
    found = len(open_it(Folder)) + len(open_it(Folder, "val"))
    odd = tmp_path / "d" / os.fsdecode(b"\xe4")
    odd.mkdir()
    for seed, place in enumerate((tmp_path / "d" / NOT_UTF_8, odd / "1.jpg")):
        save_picture(tmp_path / "x.jpg", rendered(seed, 64).image)
        shutil.move(tmp_path / "x.jpg", place)
    caplog.clear()
    both = open_it(Folder), open_it(Folder, "val")
    assert sum(map(len, both)) == found
    assert r"h\udce4nde.jpg: its name is not UTF-8; rename it" in caplog.text
    assert r"\udce4/1.jpg: its name is not UTF-8" in caplog.text
    problems = both[0].index.problems
    assert len(problems) == 2
    json.dumps(problems, ensure_ascii=False).encode()  # can be written anywhere
    write_quarantine(tmp_path / "bad.csv", problems)
    assert read_quarantine(tmp_path / "bad.csv") == {problem.file for problem in problems}


def test_a_manifest_may_name_such_a_file(tmp_path: Path, open_it: Callable) -> None:
    write_manifest(tmp_path / "d")
    rows = [json.loads(row) for row in (tmp_path / "d/labels.jsonl").read_text().splitlines()]
    shutil.move(tmp_path / "d" / rows[0]["image"], tmp_path / "d" / NOT_UTF_8)
    rows[0]["image"] = NOT_UTF_8
    (tmp_path / "d/labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(BrokenDataError) as refusal:
        open_it(Manifest)
    assert as_lines(refusal.value.problems).strip() == (
        r"h\udce4nde.jpg: its name is not UTF-8; rename it"
    )


def test_a_prediction_leaves_such_a_file_and_strays_out(tmp_path: Path) -> None:
    for name in (NOT_UTF_8, "._a.jpg", "a.jpg"):
        (tmp_path / name).write_bytes(b"")
    found = find_input(str(tmp_path))
    assert {path.name for path in found.files} == {NOT_UTF_8, "a.jpg"}
    told = map(str, read_images(found.images, [path.name for path in found.images]))
    assert r"h\udce4nde.jpg: its name is not UTF-8; rename it" in list(told)


def test_one_mistake_is_told_once_in_plain_numbers(tmp_path: Path, open_it: Callable) -> None:
    write_mpii(tmp_path / "d")
    path = sorted((tmp_path / "d/hand_labels/manual_train").glob("*.json"))[0]
    content = json.loads(path.read_text())
    content["hand_pts"][3] = [float("nan"), 5, 1]
    path.write_text(json.dumps(content))
    with pytest.raises(BrokenDataError) as refusal:
        open_it(MpiiHands)
    (problem,) = refusal.value.problems
    assert problem.reason == "uv is NaN or infinite at joint 3"

    write_manifest(tmp_path / "d")
    rows = [json.loads(row) for row in (tmp_path / "d/labels.jsonl").read_text().splitlines()]
    rows[0]["box"] = np.array([1.5, 2, -3]).tolist()
    (tmp_path / "d/labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(BrokenDataError, match=r"hand 0: the box \[1\.5, 2\.0, -3\.0\] is not a sq"):
        open_it(Manifest)
