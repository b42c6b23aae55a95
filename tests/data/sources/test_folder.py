"""A plain folder of pictures: what is taken, what is left out and counted, what is refused."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from layouts import write_folder

from handpose.data.base import MissingSplitError
from handpose.data.index.problems import BrokenDataError
from handpose.data.positives.mining import mine
from handpose.data.sources.folder import Folder

SETTINGS: dict[str, Any] = dict(boxes=None, min_side=32, max_left_out=0.5, val_fraction=0.25)
Open = Callable[..., Folder]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_folder(tmp_path / "hands")
    return tmp_path / "hands"


@pytest.fixture
def open_it(root: Path) -> Open:
    """open_it(split, **settings)"""

    def make(split: str = "train", **settings: Any) -> Folder:
        contract = dict(root=str(root), cache=str(root.parent / "cache"), image_size=32)
        return Folder(split=split, **{**contract, **SETTINGS, **settings})

    return make


def names(dataset: Folder) -> list[str]:
    return [dataset.image_name(index) for index in range(len(dataset))]


def test_every_format_is_read_and_the_middle_taken(root: Path, open_it: Open) -> None:
    train, val = open_it(), open_it("val")
    assert (len(train), len(val)) == (20, 4)
    assert sorted(names(train) + names(val)) == sorted(
        path.relative_to(root).as_posix() for path in root.rglob("*.*")
    )
    suffixes = {Path(name).suffix for name in names(train)}
    assert suffixes == {".jpg", ".PNG", ".webp", ".bmp", ".tiff", ".jpeg", ".png", ".tif"}
    for sample in [train[index] for index in range(len(train))]:
        height, width = sample.image.shape[:2]
        assert sample.image.dtype == np.uint8
        assert sample.box.tolist() == [(width - 1) / 2, (height - 1) / 2, min(width, height)]
        assert sample.side == "right"
        assert not sample.uv_valid.any()
        assert not sample.xyz_valid.any()
    assert len(np.unique(train.identities)) == len(train)
    assert not train.is_labelled
    assert not train.crops_by_labels
    with pytest.raises(MissingSplitError):
        open_it("test")


def test_no_clip_is_on_both_sides_of_the_cut_which_is_the_same_again(open_it: Open) -> None:
    sides = [{Path(name).parent for name in names(open_it(split))} for split in ("train", "val")]
    assert not sides[0] & sides[1]
    assert names(open_it("val")) == names(open_it("val"))


def test_pictures_are_taken_as_people_see_them(root: Path, open_it: Open) -> None:
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[:, :30] = 255  # turned by 90 degrees, the white half is the upper one
    turned = PIL.Image.Exif()
    turned[0x0112] = 6
    PIL.Image.fromarray(stored).save(root / "day0/clip0/phone.jpg", exif=turned)
    both = [open_it("train"), open_it("val")]
    (sample,) = [d[i] for d in both for i, name in enumerate(names(d)) if "phone" in name]
    assert sample.image.shape == (60, 40, 3)
    assert sample.box.tolist() == [19.5, 29.5, 40]
    assert sample.image[:25].min() > 200
    assert sample.image[35:].max() < 50


def test_what_cannot_be_used_is_counted_listed_and_left_out(
    root: Path, open_it: Open, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "notes.txt").write_text("hello")
    (root / "day0/.DS_Store").write_bytes(b"x")
    (root / "day0/text.jpg").write_text("no picture")
    jpeg = (root / "day0/clip0/frame_0000.jpg").read_bytes()
    (root / "day1/cut.jpg").write_bytes(jpeg[:-300])
    (root / "day1/copy.jpg").write_bytes(jpeg)
    PIL.Image.new("RGB", (64, 16)).save(root / "day1/flat.png")
    with caplog.at_level(logging.INFO):
        train, val = open_it(), open_it("val")
    assert len(train) + len(val) == 24
    assert train.index.counts == {
        "images found": 28,
        "files that are not images (.txt), left out": 1,
        "hidden files and folders, left out": 1,
        "copies of another image, left out": 1,
    }
    reasons = {problem.file: problem.reason for problem in train.index.problems}
    assert sorted(reasons) == ["day0/text.jpg", "day1/cut.jpg", "day1/flat.png"]
    assert reasons["day1/flat.png"] == "too small: 64 x 16 px, under dataset.min_side=32"
    assert "cut short" in reasons["day1/cut.jpg"]
    assert "under 32 px, left out: 1" in caplog.text
    assert "corrupt, or a box off the image, left out: 2" in caplog.text
    assert all(name in caplog.text for name in reasons)


def test_too_much_that_is_bad_and_too_little_that_is_left_are_refused(
    root: Path, open_it: Open
) -> None:
    for name in ("a", "b", "c"):
        (root / f"{name}.jpg").write_text(name)
    open_it(max_left_out=3 / 27)
    with pytest.raises(BrokenDataError, match=r"3 of 27 images .* dataset\.max_left_out=0\.1;"):
        open_it(max_left_out=0.1)
    for folder in ("day0", "day1"):
        shutil.rmtree(root / folder)
    with pytest.raises(BrokenDataError, match=r"8 hands are left, but pre-training needs"):
        open_it()
    shutil.rmtree(root / "day2")
    with pytest.raises(BrokenDataError, match="no hand that can be used") as error:
        open_it()
    assert {problem.file for problem in error.value.problems} == {"a.jpg", "b.jpg", "c.jpg"}
    for name in ("a", "b", "c"):
        (root / f"{name}.jpg").unlink()
    with pytest.raises(BrokenDataError, match=r"holds no image \(\.jpg"):
        open_it()


def write_rows(root: Path, kind: str, rows: list[dict[str, Any]]) -> str:
    """boxes.csv or boxes.jsonl of the same rows."""
    lines = [json.dumps(row) for row in rows]
    if kind == ".csv":
        lines = ["image,box_u,box_v,box_side,side,group"]
        for row in rows:
            box = ",".join(map(str, row.get("box", ["", "", ""])))
            lines.append(f"{row['image']},{box},{row.get('side', '')},{row.get('group', '')}")
    (root / f"boxes{kind}").write_text("\n".join(lines))
    return f"boxes{kind}"


@pytest.mark.parametrize("kind", [".csv", ".jsonl"])
def test_boxes_say_which_hands_there_are(kind: str, root: Path, open_it: Open) -> None:
    pictures = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))
    rows: list[dict[str, Any]] = [
        {"image": name, "group": f"p{i % 4}"} for i, name in enumerate(pictures[:12])
    ]
    rows[0] |= {"box": [30.5, 31, 40], "side": "left"}
    rows.append({"image": pictures[0], "box": [40, 30, 36.0], "group": "p0"})
    rows.append({"image": pictures[1], "box": [40, 30, 20.0], "group": "p1"})  # too small
    file = write_rows(root, kind, rows)
    train, val = open_it(boxes=file), open_it("val", boxes=file)
    assert train.index.counts["images without a row in " + file + ", left out"] == 12
    assert train.index.counts["boxes under 32 px, left out"] == 1
    assert (len(train), len(val)) in ((10, 3), (9, 4))  # one person of four
    samples = [d[i] for d in (train, val) for i in range(len(d))]
    of_first = sorted((s for s in samples if pictures[0] in s.key), key=lambda s: s.key)
    assert [s.side for s in of_first] == ["left", "right"]
    assert [s.box.tolist() for s in of_first] == [[30.5, 31, 40], [40, 30, 36]]
    people = [{int(d.capture_groups[i]) for i in range(len(d))} for d in (train, val)]
    assert [len(found) for found in people] == [3, 1]
    assert not people[0] & people[1]


FIRST = "day0/clip0/frame_0000.jpg"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"image": "nowhere.jpg"}, "there is no image nowhere.jpg"),
        ({"image": "../secret.jpg"}, "there is no image ../secret.jpg"),
        ({"box": [1, 2, 40]}, "the key 'image' is missing"),
        ({"image": FIRST, "side": "both"}, "side is 'both', not left or right"),
        ({"image": FIRST, "box": [1, 2]}, "2 numbers, where 3 are expected"),
        ({"image": FIRST, "box": [1, None, 40]}, "is not centre u, centre v, side in px"),
        ({"image": FIRST, "box": [1, 2, -40]}, "is not centre u, centre v, side in px"),
        ({"image": FIRST, "bbox": [1, 2, 40]}, "unknown: bbox"),
    ],
)
def test_a_wrong_row_is_refused_by_file_and_line(
    row: dict[str, Any], reason: str, root: Path, open_it: Open
) -> None:
    (root.parent / "secret.jpg").write_bytes((root / FIRST).read_bytes())
    good = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))
    rows: list[dict[str, Any]] = [{"image": name} for name in good]
    file = write_rows(root, ".jsonl", [*rows[:2], row, *rows[3:]])
    with pytest.raises(BrokenDataError) as error:
        open_it(boxes=file)
    (problem,) = error.value.problems
    assert problem.file == "boxes.jsonl#3"
    assert reason in problem.reason


def test_a_table_with_a_wrong_column_or_no_text_is_refused(root: Path, open_it: Open) -> None:
    (root / "boxes.csv").write_text("image,box_u,box_v,box_w\nday0/clip0/frame_0000.jpg,1,2,40\n")
    with pytest.raises(
        BrokenDataError,
        match=r"boxes\.csv: unknown: box_w \(did you mean box_\w\?\); known: image, side",
    ):
        open_it(boxes="boxes.csv")
    (root / "boxes.csv").write_bytes(b"image\n\xff\xfe\n")
    with pytest.raises(BrokenDataError, match=r"boxes\.csv: cannot be read as text"):
        open_it(boxes="boxes.csv")
    with pytest.raises(BrokenDataError, match=r"absent\.csv: missing, there is no file "):
        open_it(boxes="absent.csv")
    with pytest.raises(ValueError, match=r"dataset\.boxes=boxes\.txt: give a \.csv or a \.jsonl"):
        open_it(boxes="boxes.txt")


def test_a_folder_has_no_joints_to_mine_positives_by(open_it: Open) -> None:
    settings: dict[str, Any] = dict(num_dims=14, neighbours=1, exclude="recording", weighted=True)
    with pytest.raises(ValueError, match="0 of 20 have all 21 joints"):
        mine(open_it(), joints="given", **settings)


def test_a_picture_that_comes_later_is_found(root: Path, open_it: Open) -> None:
    before = open_it()
    PIL.Image.new("RGB", (50, 50), "red").save(root / "day0/clip0/new.png")
    after = open_it()
    assert after.index.counts["images found"] == before.index.counts["images found"] + 1
    assert after.fingerprint != before.fingerprint
