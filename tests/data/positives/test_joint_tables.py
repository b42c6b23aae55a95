"""Joints of a detector in a table: matched by image and hand, in any order of the rows."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labels import Labels, random_joints
from layouts import write_folder

from handpose.data.base import HandDataset, Joints
from handpose.data.positives.joint_files import read_predictions
from handpose.data.positives.joint_places import joint_files
from handpose.data.sources.folder import Folder
from handpose.data.sources.manifest import ROW_FORMAT, Manifest
from handpose.data.sources.mix import Mix

N = 6


@pytest.fixture
def source() -> Labels:
    nothing = Joints(np.zeros((N, 21, 2), np.float32), np.zeros((N, 21), bool), np.zeros(N, bool))
    return Labels(nothing, np.arange(N))


def rows(uv: np.ndarray) -> list[dict[str, Any]]:
    return [{"image": f"{i:03d}.jpg", "uv": hand.tolist()} for i, hand in enumerate(uv)]


def write(path: Path, content: list[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in content))
    return str(path.parent)


def test_rows_match_by_name_in_any_order(tmp_path: Path, source: Labels) -> None:
    uv = random_joints(N + 2).uv
    content = rows(uv)
    content[2]["uv"][5] = None
    content[3]["uv"] = None
    folder = write(tmp_path / "labels.jsonl", content[::-1])
    for place in (folder, f"{folder}/labels.jsonl"):
        read, found = read_predictions(place, source)
        assert np.array_equal(np.flatnonzero(~found.all(axis=1)), [2, 3])
        assert np.array_equal(np.flatnonzero(~found[2]), [5])
        assert not found[3].any()
        assert np.array_equal(read[found], uv[:N][found])
        assert (read[~found] == 0).all()


def test_a_table_of_cells_is_read_as_well(tmp_path: Path, source: Labels) -> None:
    uv = random_joints(N).uv.round(2)
    names = [name for row in ROW_FORMAT.numbers["uv"] for name in row]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "side", *names])
        table.writerows([f"{i:03d}.jpg", "right", *uv[i].ravel()] for i in range(N)[::-1])
    read, found = read_predictions(str(tmp_path), source)
    assert found.all()
    assert np.allclose(read, uv)


def test_arrays_of_a_folder_come_first(tmp_path: Path, source: Labels) -> None:
    folder = write(tmp_path / "labels.jsonl", rows(random_joints(N, seed=1).uv))
    np.save(tmp_path / "train.npy", random_joints(N, seed=2).uv)
    read, _ = read_predictions(folder, source)
    assert np.array_equal(read, random_joints(N, seed=2).uv)
    assert [file.name for file in joint_files(folder)] == ["train.npy", "val.npy"]
    (tmp_path / "train.npy").unlink()
    assert [file.name for file in joint_files(folder)] == ["labels.jsonl"]


def _without_one(content: list[dict[str, Any]]) -> None:
    del content[4]


def _renamed(content: list[dict[str, Any]]) -> None:
    content[4]["image"] = "other/004.jpg"


def _twenty_joints(content: list[dict[str, Any]]) -> None:
    content[4]["uv"].pop()


def _not_a_number(content: list[dict[str, Any]]) -> None:
    content[4]["uv"][0] = [float("nan"), 1.0]


def _another_key(content: list[dict[str, Any]]) -> None:
    content[4]["uvs"] = content[4].pop("uv")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_one, "no row for 1 of the 6 samples of labels, train; .* labels/004.jpg#0"),
        (_renamed, "no row for 1 of the 6 samples"),
        (_twenty_joints, r"labels.jsonl#5: 20 x 2 numbers, where 21 x 2"),
        (_not_a_number, r"labels.jsonl#5: uv is NaN or infinite; use null"),
        (_another_key, r"labels.jsonl#5: unknown: uvs \(did you mean uv\?\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    spoil: Callable, message: str, tmp_path: Path, source: Labels
) -> None:
    content = rows(random_joints(N).uv)
    spoil(content)
    with pytest.raises(ValueError, match=rf"(?s)pretrain.mining.joints=.*{message}"):
        read_predictions(write(tmp_path / "labels.jsonl", content), source)


@pytest.fixture
def boxed(tmp_path: Path) -> Path:
    """A folder with two hands an image; of one image the first box is too small to be used."""
    names = write_folder(tmp_path / "hands")
    boxes = [(name, 30.0, 30.0, side) for name in names for side in (50.0, 40.0)]
    boxes[6] = (*boxes[6][:3], 8.0)
    lines = [f"{name},{u},{v},{side}" for name, u, v, side in boxes]
    table = "\n".join(["image,box_u,box_v,box_side", *lines])
    (tmp_path / "hands" / "boxes.csv").write_text(table)
    uv = 30 + 0.2 * (random_joints(len(boxes)).uv.astype(float) - 100)  # near the boxes' centres
    content = [
        {"image": name, "side": "right", "uv": uv[place].tolist(), "box": [u, v, side]}
        for place, (name, u, v, side) in enumerate(boxes)
    ]
    write(tmp_path / "hands" / "labels.jsonl", content)
    return tmp_path / "hands"


def open_folder(root: Path, split: str = "train", **settings: Any) -> Folder:
    contract = dict(root=str(root), cache=str(root.parent / "cache"), image_size=32)
    return Folder(split=split, boxes="boxes.csv", val_fraction=0.25, **contract, **settings)


def test_hands_keep_their_rows_when_others_are_left_out(boxed: Path) -> None:
    """Copies, small boxes and the cut take hands away; the others keep their joints."""
    names = sorted(path for path in boxed.rglob("*.*") if path.parent != boxed)
    names[-1].write_bytes(names[0].with_suffix(names[0].suffix).read_bytes())
    uv = {row[0]: row[1] for row in _by_hand(boxed)}
    number = 0
    for split in ("train", "val"):
        source = open_folder(boxed, split)
        read, found = read_predictions(str(boxed), source)
        assert found.all()
        for key, hand in zip(source.sample_keys(), read, strict=True):
            assert np.allclose(hand, uv[key.removeprefix("folder/")])
        assert [source[index].key for index in range(3)] == source.sample_keys()[:3]
        number += len(source)
    assert number in (len(uv) - 2, len(uv) - 3)


def _by_hand(root: Path) -> list[tuple[str, np.ndarray]]:
    content = [json.loads(line) for line in (root / "labels.jsonl").read_text().splitlines()]
    return [(f"{row['image']}#{i % 2}", np.array(row["uv"])) for i, row in enumerate(content)]


def test_a_capped_split_and_a_mix_find_their_rows(boxed: Path) -> None:
    capped = open_folder(boxed, max_samples=5)
    assert len(read_predictions(str(boxed), capped)[0]) == 5

    def part(**contract: Any) -> HandDataset:
        return open_folder(boxed, **{k: v for k, v in contract.items() if k == "split"})

    def labelled(**contract: Any) -> HandDataset:
        own = dict(root=str(boxed), cache=str(boxed.parent / "cache"), file="labels.jsonl")
        return Manifest(**{**contract, **own}, val_fraction=0.25)

    mix = Mix(parts={"one": part, "two": labelled}, sources=["one", "two"], split="train")
    with pytest.raises(ValueError, match="in a mix after the source's name"):
        read_predictions(str(boxed), mix)
    content = [json.loads(line) for line in (boxed / "labels.jsonl").read_text().splitlines()]
    for name in ("folder", "manifest"):
        rows = [row | {"image": f"{name}/{row['image']}"} for row in content]
        with (boxed / "both.jsonl").open("a") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)
    read, found = read_predictions(f"{boxed}/both.jsonl", mix)
    assert found.all()
    first = read_predictions(str(boxed), mix.parts[0][0])[0]
    assert np.array_equal(read[: len(first)], first)
