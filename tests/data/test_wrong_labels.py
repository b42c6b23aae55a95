"""Labels that cannot be right: training and the doctor refuse them in the same words.

Each mistake is made in a manifest and in an official layout, and read as train.py and
scripts/doctor.py read it.
"""

import json
import logging
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hydra import compose, initialize_config_dir
from layouts import (
    rendered,
    save_picture,
    write_folder,
    write_freihand,
    write_interhand,
    write_manifest,
    write_mpii,
)
from omegaconf import DictConfig

from handpose.build.data import build_dataset
from handpose.build.node import Caps
from handpose.check.catalogue import CONF
from handpose.config import register
from handpose.data.base import HandDataset, Split
from handpose.data.images import is_turned, read_image
from handpose.doctor.diagnosis import diagnose
from handpose.doctor.request import Request
from handpose.doctor.source import Source
from handpose.hand import INTERHAND_ORDER

WRITERS: dict[str, Callable[..., Any]] = {
    "manifest": write_manifest,
    "freihand": write_freihand,
    "interhand": write_interhand,
    "mpii": lambda root: write_mpii(root, train=12),
    "folder": write_folder,
}
INTERHAND = "annotations/{}/InterHand2.6M_{}_{}.json"
TIP_FIRST = np.argsort(INTERHAND_ORDER)  # ours -> theirs


@cache
def composed(*overrides: str) -> DictConfig:
    """The run's dataset."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides)).dataset


class Reader:
    """A source below a folder, opened as train.py and as the doctor open it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, name: str, *overrides: str, split: Split = "train") -> HandDataset:
        own = ["dataset.file=labels.jsonl"] if name == "manifest" else []
        line = [f"dataset={name}", f"paths.data={self.folder}", f"paths.cache={self.folder}/cache"]
        return build_dataset(composed(*line, *own, *overrides), split, Caps())

    def refusal(self, name: str, *overrides: str) -> str:
        """The words of a training's refusal; the doctor's have all its reasons."""
        with pytest.raises(ValueError, match=r"bad files|cannot be used|holds no hand") as caught:
            self.open(name, *overrides)
        problems = caught.value.problems  # type: ignore[attr-defined]
        source = Source(
            "dataset", name, lambda split, other: self.open(name, *overrides, split=split), {}
        )
        found = diagnose({"dataset": [source]}, Request([], self.folder))
        assert not found.is_ready
        assert {tuple(problem) for problem in problems} == {
            (finding.file, finding.reason) for s in found.sources for finding in s.refused
        }
        return str(caught.value)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def rows(root: Path, change: Callable[[int, dict[str, Any]], Any]) -> None:
    """Changes each line of a manifest."""
    lines = [json.loads(line) for line in (root / "labels.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        change(number, line)
    (root / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))


def each_row(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        rows(root, lambda _, row: key in row and row.update({key: _list(change, row[key])}))

    return act


def _list(change: Callable[[np.ndarray], np.ndarray], value: Any) -> Any:
    return change(np.array(value)).tolist()


def each_pose(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Of a manifest, in 2D and 3D alike."""

    def act(root: Path) -> None:
        for key in ("uv", "xyz"):
            each_row(key, change)(root)

    return act


def freihand(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Changes all xyz, and leaves out the scale, which is checked against it by itself."""

    def act(root: Path) -> None:
        for kind in ("training", "evaluation"):
            path = root / f"{kind}_xyz.json"
            path.write_text(json.dumps(_list(change, json.loads(path.read_text()))))
            (root / f"{kind}_scale.json").unlink()

    return act


def interhand(change: Callable[[dict[str, Any]], Any], what: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        for split in ("train", "val", "test"):
            path = root / INTERHAND.format(split, split, what)
            content = json.loads(path.read_text())
            change(content)
            path.write_text(json.dumps(content))

    return act


def mpii(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        for path in root.rglob("*.json"):
            content = json.loads(path.read_text())
            content["hand_pts"] = _list(change, content["hand_pts"])
            path.write_text(json.dumps(content))

    return act


def swap_sides(content: dict[str, Any]) -> None:
    """InterHand's right hand stands first."""
    for record in content["annotations"]:
        if record["hand_type"] != "interacting":
            record["hand_type"] = "left" if record["hand_type"] == "right" else "right"
            record["joint_valid"] = record["joint_valid"][21:] + record["joint_valid"][:21]


def swap_halves(content: dict[str, Any]) -> None:
    for points in (points for frames in content.values() for points in frames.values()):
        points["world_coord"] = points["world_coord"][21:] + points["world_coord"][:21]


def as_ours(content: dict[str, Any]) -> None:
    """World joints in our order where InterHand's is expected."""
    for points in (points for frames in content.values() for points in frames.values()):
        world = np.array(points["world_coord"]).reshape(2, 21, 3)
        points["world_coord"] = world[:, list(INTERHAND_ORDER)].reshape(42, 3).tolist()


def both(one: Callable[[Path], None], other: Callable[[Path], None]) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        one(root)
        other(root)

    return act


def zeros(points: np.ndarray) -> np.ndarray:
    points[[4, 12], :2] = 0
    return points


def normalised(side: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda points: points / ([side] * 2 + [1] * (points.shape[-1] - 2))


def flip(*signs: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda points: points * signs[: points.shape[-1]]


def swap_row(_: int, row: dict[str, Any]) -> None:
    row["side"] = "left" if row["side"] == "right" else "right"


ORDER = r"InterHand2\.6M's \(each finger from the tip to the palm, wrist last\)\. Reorder them"
MILLIMETRES = r"xyz is in millimetres, it seems: the bones are \d{3,4} times .* Divide xyz by 1000"
CENTIMETRES = "xyz is in centimetres, it seems: .* Divide xyz by 100"
SIDES = "left and right are swapped, it seems"
# source, the mistake, the file and the reason that are named.
WHOLE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "mm": ("manifest", each_row("xyz", lambda p: 1000 * p), rf"labels\.jsonl: {MILLIMETRES}"),
    "mm, FreiHAND": (
        "freihand",
        freihand(lambda p: 1000 * p),
        rf"training_xyz\.json: {MILLIMETRES}",
    ),
    "cm": ("manifest", each_row("xyz", lambda p: 100 * p), rf"labels\.jsonl: {CENTIMETRES}"),
    "cm, FreiHAND": ("freihand", freihand(lambda p: 100 * p), rf"xyz\.json: {CENTIMETRES}"),
    "0..1": (
        "manifest",
        each_row("uv", normalised(96)),
        r"labels\.jsonl: uv is normalised.* Multiply u",
    ),
    "0..1, MPII": (
        "mpii",
        mpii(normalised(128)),
        "hand_labels/manual_train: uv is normalised.* Multiply u",
    ),
    "0,0": ("manifest", each_row("uv", zeros), r"labels\.jsonl: .* at the origin, .* null"),
    "0,0, MPII": ("mpii", mpii(zeros), "manual_train: .* at the origin, .* flag 0"),
    "order": ("manifest", each_pose(lambda p: p[TIP_FIRST]), rf"labels\.jsonl: .* {ORDER}"),
    "order, FreiHAND": ("freihand", freihand(lambda p: p[:, TIP_FIRST]), rf"xyz\.json: .* {ORDER}"),
    "order, MPII": ("mpii", mpii(lambda p: p[TIP_FIRST]), rf"manual_train: .* {ORDER}"),
    "order, InterHand": (
        "interhand",
        interhand(as_ours, "joint_3d"),
        r"data\.json: the bones fit another order of the joints better",
    ),
    "side": ("manifest", lambda root: rows(root, swap_row), rf"labels\.jsonl: .*{SIDES}"),
    "side, InterHand": (
        "interhand",
        both(interhand(swap_sides, "data"), interhand(swap_halves, "joint_3d")),
        rf"data\.json: .*{SIDES}",
    ),
    "OpenGL": ("manifest", each_row("xyz", flip(1, -1, -1)), "OpenGL's frame.* Negate y and z"),
    "OpenGL, FreiHAND": ("freihand", freihand(flip(1, -1, -1)), "OpenGL's frame.* Negate y and z"),
    "K": (
        "manifest",
        each_row("K", lambda K: K * [[2], [2], [1]]),
        "K is of an image 2 times as large",
    ),
}


@pytest.mark.parametrize("mistake", WHOLE)
def test_a_source_is_refused_with_the_likely_cause(
    mistake: str, reader: Reader, tmp_path: Path
) -> None:
    name, make, words = WHOLE[mistake]
    WRITERS[name](tmp_path / name)
    assert len(reader.open(name, *_cut(name))) > 0
    make(tmp_path / name)
    assert re.search(words, reader.refusal(name, *_cut(name)))


def _cut(name: str) -> list[str]:
    return [] if name == "interhand" else ["dataset.val_fraction=0.2"]


def put(**values: Any) -> Callable[[Path], None]:
    """Values of the fifth row of a manifest."""
    return lambda root: rows(root, lambda number, row: number == 4 and row.update(values))


def joint_at(value: list[float]) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        rows(root, lambda number, row: number == 4 and row["uv"].__setitem__(3, value))

    return act


RECORDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "uv of 1e30": (joint_at([1e30, 5]), r"labels\.jsonl#5: uv is \[1e\+30, 5\.0\] at joint 3"),
    "uv of 1e5": (joint_at([1e5, 5]), r"labels\.jsonl#5: joint 3 lies at 100000 x 5, far off"),
    "uv of 0": (joint_at([0, 0]), r"labels\.jsonl#5: uv of joint 3 is 0, 0, far from the others"),
    "box of 1e9 px": (
        put(box=[48, 48, 1e9]),
        r"pictures/4\.png: hand 0: the box .*1.*is no square",
    ),
    "box of 1e5 px": (put(box=[48, 48, 1e5]), r"4\.png: hand 0: .* over 10 times the image's side"),
    "box of 1e-9 px": (put(box=[48, 48, 1e-9]), r"4\.png: hand 0: its box .* smaller than 2 px"),
    "K of 1e30": (put(K=[[1e30, 0, 5], [0, 1e30, 5], [0, 0, 1]]), "#5: K is no camera matrix"),
    "unknown key": (put(bbox=[1, 2, 3, 4]), r"#5: unknown: bbox \(did you mean box\?\); known: "),
    "no object": (
        lambda root: (root / "labels.jsonl").open("a").write("\n[1, 2]") and None,
        r"labels\.jsonl#10: it is no JSON object",
    ),
}


@pytest.mark.parametrize("mistake", RECORDS)
def test_a_record_is_named(mistake: str, reader: Reader, tmp_path: Path) -> None:
    make, words = RECORDS[mistake]
    write_manifest(tmp_path / "manifest")
    make(tmp_path / "manifest")
    refusal = reader.refusal("manifest", *_cut("manifest"))
    assert "1 bad files or records" in refusal
    assert re.search(words, refusal)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "image,side,u0,v0,box_x,U1",
            r"unknown: box_x \(did you mean box_\w+\?\), U1 \(did you mean",
        ),
        ("image,side,u0,v0,v0", "the column v0 stands twice"),
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


def turn(path: Path, size: int = 96) -> None:
    """Another picture of the same file, on its side, as its EXIF says."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image = np.zeros((size, size // 2, 3), np.uint8)
    PIL.Image.fromarray(image).save(path, exif=exif)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_is_seen(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    turn(path)
    assert is_turned(path)
    save_picture(path, rendered(0, 96).image)
    assert not is_turned(path)


def test_a_tiff_is_not_read_as_stored_where_opencv_would_turn_it(tmp_path: Path) -> None:
    turn(tmp_path / "a.tiff")
    assert read_image(tmp_path / "a.tiff", upright=True).shape[:2] == (48, 96)
    with pytest.raises(ValueError, match=r"a\.tiff: OpenCV turns a TIFF"):
        read_image(tmp_path / "a.tiff")


def test_an_image_that_exif_turns_is_refused_until_labels_say_which(
    reader: Reader, tmp_path: Path
) -> None:
    write_manifest(tmp_path / "manifest")
    turn(tmp_path / "manifest/pictures/1.png")
    turn(tmp_path / "manifest/pictures/7.png")
    refusal = reader.refusal("manifest", "dataset.val_fraction=0.01")
    assert "pictures/1.png: EXIF turns 2 images, the first pictures/1.png" in refusal
    assert "dataset.upright=false (as stored) or dataset.upright=true (as shown)" in refusal
    shapes = {
        choice: reader.open("manifest", f"dataset.upright={choice}", "dataset.val_fraction=0.01")[
            1
        ].image.shape[:2]
        for choice in ("true", "false")
    }
    assert shapes == {"true": (48, 96), "false": (96, 48)}


def test_a_warning_where_an_official_layout_has_images_that_exif_turns(
    reader: Reader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_mpii(tmp_path / "mpii")
    name = "hand_labels/manual_train/000000500_01_r.jpg"
    picture = PIL.Image.open(tmp_path / "mpii" / name)
    exif = PIL.Image.Exif()
    exif[0x0112] = 3
    picture.save(tmp_path / "mpii" / name, exif=exif)
    reader.open("mpii", "dataset.val_fraction=0.2")
    text = f"EXIF turns 1 image, the first {name}; labels are taken in px of the file as stored"
    assert text in caplog.text
