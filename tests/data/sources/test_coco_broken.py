"""Broken COCO files: every kind is named by file and reason, all of them in one pass."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    write,
)
from layouts_coco import write_coco

from handpose.data.index.problems import BrokenDataError, write_quarantine

FILE = "labels.json"
# Of the record or the image with a number.
RECORD, IMAGE_RECORD = f"{FILE}#annotations/{{0}}", f"{FILE}#images/{{0}}"
IMAGE = "pictures/{0}.png"
FIRST = 900  # number of the first image

Break = Callable[[Path, int], None]  # of the annotation or image with that number


def name_of(file: str, number: int) -> str:
    return file.format(FIRST + number if file == IMAGE else number)


def annotation(**values: Any) -> Break:
    return lambda root, n: change_json(FILE, lambda c: c["annotations"][n].update(values))(root)


def keypoints(*places: int, value: Any) -> Break:
    """Numbers of an annotation: u, v and flag of each joint by turns."""

    def change(root: Path, n: int) -> None:
        for place in places:
            change_json(FILE, put("annotations", n, "keypoints", place, value=value))(root)

    return change


def image(**values: Any) -> Break:
    return lambda root, n: change_json(FILE, lambda c: c["images"][n].update(values))(root)


def drop(table: str, key: str) -> Break:
    return lambda root, n: change_json(FILE, lambda c: c[table][n].pop(key))(root)


def whole(act: Callable[..., Callable[[Path], None]], *arguments: Any) -> Break:
    """Something that is done to the image itself."""
    return lambda root, n: act(name_of(IMAGE, n), *arguments)(root)


def without_side(root: Path, n: int) -> None:
    def change(content: Any) -> None:
        content["categories"].append({**content["categories"][0], "id": 3, "name": "hand"})
        content["annotations"][n]["category_id"] = 3
        del content["annotations"][n]["side"]

    change_json(FILE, change)(root)


def of_test_too(root: Path, n: int) -> None:
    change_json("test.json", put("images", 0, "file_name", value=name_of(IMAGE, n)))(root)


def repeat(table: str) -> Break:
    return lambda root, n: change_json(FILE, lambda c: c[table].append(c[table][n]))(root)


# What is wrong with one record or one image: all other hands are good.
KINDS: dict[str, tuple[Break, str, str]] = {
    "flag 3": (keypoints(11, value=3), RECORD, "the flag of keypoint 3 is 3, not 0 .not labelled."),
    "flag 0.5": (keypoints(2, value=0.5), RECORD, r"the flag of keypoint 0 is 0\.5"),
    "flag of null": (keypoints(2, value=None), RECORD, "the flag of keypoint 0 is nan"),
    "NaN joint": (keypoints(9, value=NAN), RECORD, "uv is NaN or infinite at joint 3"),
    "infinite joint": (keypoints(9, value=INFINITY), RECORD, "uv is NaN or infinite at joint 3"),
    "joint as text": (keypoints(9, value="left"), RECORD, "not 63 numbers"),
    "joint at 0,0": (
        keypoints(9, 10, value=0),
        RECORD,
        "uv of joint 3 is 0, 0, far from the others; mark .* flag 0",
    ),
    "joint far off": (
        keypoints(9, value=1e5),
        RECORD,
        "joint 3 is at 100000 x .* far off the image",
    ),
    "62 numbers": (
        lambda root, n: change_json(FILE, lambda c: c["annotations"][n]["keypoints"].pop())(root),
        RECORD,
        "62 numbers in keypoints, where 3 x 21 are expected",
    ),
    "20 joints": (
        annotation(keypoints=[5, 5, 2] * 20),
        RECORD,
        "60 numbers in keypoints, where 3 x 21 are expected",
    ),
    "bbox of 3": (annotation(bbox=[1, 2, 3]), RECORD, "3 numbers, where 4 are expected"),
    "bbox without area": (annotation(bbox=[9, 9, 0, 20]), RECORD, "bbox .* is not x, y, width"),
    "bbox of NaN": (annotation(bbox=[NAN, 9, 9, 20]), RECORD, "bbox .* is not x, y, width"),
    "bbox off the image": (
        annotation(bbox=[500, 500, 50, 50]),
        IMAGE,
        "hand 0: its box .* is off the image",
    ),
    "bbox of another hand": (
        annotation(bbox=[1, 1, 3, 3]),
        IMAGE,
        "hand 0: its box .* holds none of its joints",
    ),
    "side unknown": (without_side, RECORD, "its side is not known: set dataset.side=left or data"),
    "side of both": (annotation(side="both"), RECORD, "side is 'both', not left or right"),
    "sides that differ": (
        annotation(side="left"),
        RECORD,
        "side says left, the category 'right_hand' says right",
    ),
    "sides of one name that differ": (
        annotation(side="right", attributes={"side": "left"}),
        RECORD,
        "side says right, attributes.side says left",
    ),
    "is_left of 2": (annotation(is_left=2), RECORD, "is_left is 2, not true or false"),
    "no such image": (annotation(image_id=77), RECORD, "there is no image 77"),
    "no such category": (annotation(category_id=9), RECORD, "there is no category 9"),
    "no category": (drop("annotations", "category_id"), RECORD, "key 'category_id' is missing"),
    "no image": (drop("annotations", "image_id"), RECORD, "the key 'image_id' is missing"),
    "no id": (drop("annotations", "id"), RECORD, "the key 'id' is missing"),
    "annotation twice": (repeat("annotations"), f"{FILE}#annotations/12", "the id 5 occurs twice"),
    "image twice": (repeat("images"), f"{FILE}#images/12", "the id 5 occurs twice"),
    "no object": (
        lambda root, n: change_json(FILE, put("annotations", n, value=[1, 2]))(root),
        RECORD,
        "it is not a JSON object",
    ),
    "absolute path": (
        image(file_name="/tmp/904.png"),
        IMAGE_RECORD,
        "file_name is '/tmp/904.png'; write a path relative",
    ),
    "no file name": (drop("images", "file_name"), IMAGE_RECORD, "'file_name' is missing"),
    "other size": (image(width=200), IMAGE, "96 x 96 px, where the annotations say 200 x 96"),
    "missing image": (whole(delete), IMAGE, "cannot be read"),
    "empty image": (whole(write, b""), IMAGE, "0 bytes"),
    "cut image": (whole(cut, 900), IMAGE, "not an image|cut short"),
    "web page": (whole(write, b"<html>404</html>"), IMAGE, "not an image"),
    "resized image": (whole(picture, 50, 40), IMAGE, "50 x 40 px, where the annotations say 96"),
    "image of two splits": (
        of_test_too,
        "test.json#annotations/0",
        f"{FILE} has hands of its image too, pictures/",
    ),
}
# What is wrong with a file as a whole.
FATAL: dict[str, tuple[Callable[[Path], None], str]] = {
    "no file": (delete(FILE), r"missing; set dataset\.file to .* There is "),
    "cut file": (cut(FILE, 9000), "cut short"),
    "no JSON": (write(FILE, b"images: []"), "expected, 'i' found"),
    "a list": (write(FILE, b"[{}]"), "there is no list 'categories' in it"),
    "no annotations": (
        change_json(FILE, lambda content: content.pop("annotations")),
        "there is no list 'annotations' in it",
    ),
    "no images": (
        change_json(FILE, put("images", value=[])),
        "'images' in it, or it is empty",
    ),
    "a key twice": (write(FILE, b'{"images": [], "images": []}'), "'images' occurs twice"),
    "names of nothing": (
        change_json(FILE, put("categories", 0, "keypoints", 4, value="point 5")),
        "category 'left_hand', keypoint names not understood: point 5. Rename .*joint_order=ours",
    ),
    "no names": (
        change_json(FILE, lambda content: content["categories"][1].pop("keypoints")),
        "the category 'right_hand' has no keypoint names. Rename .* set dataset.joint_order=ours",
    ),
}


def refused(root: Path, tmp_path: Path) -> BrokenDataError:
    with pytest.raises(BrokenDataError) as caught:
        open_broken("coco", root, tmp_path / "cache")
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_record_or_image_is_named(kind: str, tmp_path: Path) -> None:
    break_it, file, reason = KINDS[kind]
    write_coco(tmp_path / "d")
    break_it(tmp_path / "d", 4)
    error = refused(tmp_path / "d", tmp_path)
    assert_named(error, name_of(file, 4), reason)
    assert not error.is_fatal


@pytest.mark.parametrize("kind", FATAL)
def test_a_bad_file_is_named(kind: str, tmp_path: Path) -> None:
    break_it, reason = FATAL[kind]
    write_coco(tmp_path / "d")
    break_it(tmp_path / "d")
    error = refused(tmp_path / "d", tmp_path)
    assert error.is_fatal
    assert_named(error, FILE, reason)


def test_more_than_twenty_kinds_in_one_pass_and_a_quarantine_leaves_them_out(
    tmp_path: Path,
) -> None:
    """Each kind in a right hand of its own."""
    kinds = [kind for kind in KINDS if "twice" not in kind]
    assert len(kinds) > 20
    write_coco(tmp_path / "d", train=2 * len(kinds))
    named = {}
    for place, kind in enumerate(kinds):
        break_it, file, reason = KINDS[kind]
        break_it(tmp_path / "d", 2 * place)
        named[name_of(file, 2 * place)] = reason
    error = refused(tmp_path / "d", tmp_path)
    found = {problem.file: problem.reason for problem in error.problems}
    assert [file for file, reason in named.items() if not re.search(reason, found[file])] == []
    write_quarantine(tmp_path / "bad.csv", error.problems)
    settings = {"quarantine": str(tmp_path / "bad.csv"), "val_fraction": 0.0}
    left = open_broken("coco", tmp_path / "d", tmp_path / "cache", **settings)
    assert {left.image_name(i) for i in range(len(left))} >= {
        name_of(IMAGE, 2 * place + 1) for place in range(len(kinds))
    }
    bad = {file.partition("#")[0] for file in found if "#" not in file}
    assert not bad & {left.image_name(i) for i in range(len(left))}
