"""A record, a column or a box that cannot be right is named by file and reason, before the run."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from layouts import write_folder, write_manifest
from reading import Reader, rows


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def put(**values: Any) -> Callable[[Path], None]:
    """Values of the fifth row of a manifest."""
    return lambda root: rows(root, lambda number, row: number == 4 and row.update(values))


def joint_at(value: list[float]) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        rows(root, lambda number, row: number == 4 and row["uv"].__setitem__(3, value))

    return act


RECORDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "uv of 1e30": (joint_at([1e30, 5]), r"labels\.jsonl#5: uv is \[1e\+30, 5\.0\] at joint 3"),
    "uv of 1e5": (joint_at([1e5, 5]), r"labels\.jsonl#5: joint 3 is at 100000 x 5, far off"),
    "uv of 0": (joint_at([0, 0]), r"labels\.jsonl#5: uv of joint 3 is 0, 0, far from the others"),
    "box of 1e9 px": (
        put(box=[48, 48, 1e9]),
        r"pictures/4\.png: hand 0: the box .*1.*is not a square",
    ),
    "box of 1e5 px": (put(box=[48, 48, 1e5]), r"4\.png: hand 0: .* over 10 times the image's side"),
    "box of 1e-9 px": (put(box=[48, 48, 1e-9]), r"4\.png: hand 0: its box .* smaller than 2 px"),
    "K of 1e30": (put(K=[[1e30, 0, 5], [0, 1e30, 5], [0, 0, 1]]), "#5: K is not a camera matrix"),
    "unknown key": (put(bbox=[1, 2, 3, 4]), r"#5: unknown: bbox \(did you mean box\?\); known: "),
    "no object": (
        lambda root: (root / "labels.jsonl").open("a").write("\n[1, 2]") and None,
        r"labels\.jsonl#10: it is not a JSON object",
    ),
}


@pytest.mark.parametrize("mistake", RECORDS)
def test_a_record_is_named(mistake: str, reader: Reader, tmp_path: Path) -> None:
    make, words = RECORDS[mistake]
    write_manifest(tmp_path / "manifest")
    make(tmp_path / "manifest")
    refusal = reader.refusal("manifest", "dataset.val_fraction=0.2")
    assert "1 bad files or records" in refusal
    assert re.search(words, refusal)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "image,side,u0,v0,box_x,U1",
            r"unknown: box_x \(did you mean box_\w+\?\), U1 \(did you mean",
        ),
        ("image,side,u0,v0,v0", "the column v0 occurs twice"),
    ],
)
def test_an_unknown_column_is_named_once(
    header: str, words: str, reader: Reader, tmp_path: Path
) -> None:
    write_manifest(tmp_path / "manifest")
    cells = ",".join("1" for _ in header.split(",")[2:])
    lines = [header, *(f"pictures/{i}.png,left,{cells}" for i in range(6))]
    (tmp_path / "manifest/labels.csv").write_text("\n".join(lines))
    refusal = reader.refusal("manifest", "dataset.file=labels.csv")
    assert re.search(rf"labels\.csv: {words}", refusal)
    assert refusal.count("unknown:") <= 1


def test_a_box_that_is_no_hand_s_is_left_out_of_a_folder_and_said(
    reader: Reader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = write_folder(tmp_path / "folder")
    sides = {names[0]: 1e9, names[1]: 1e5, names[2]: 1e-9}
    lines = [f"{name},30,30,{sides.get(name, 40)}" for name in names]
    (tmp_path / "folder/boxes.csv").write_text("\n".join(["image,box_u,box_v,box_side", *lines]))
    with caplog.at_level(logging.INFO):
        dataset = reader.open("folder", "dataset.boxes=boxes.csv", "dataset.val_fraction=0.1")
    assert len(dataset.index.arrays["box"]) == len(names) - 3  # type: ignore[attr-defined]
    assert f"{names[0]}: hand 0: the box" in caplog.text
    assert f"{names[1]}: hand 0: its box" in caplog.text
    assert "boxes under 32 px, left out: 1" in caplog.text
