"""Labels that cannot be right: training and the doctor refuse them in the same words.

Each mistake is made in a manifest and in an official layout, and read as train.py and
scripts/doctor.py read it.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import write_freihand, write_interhand, write_manifest, write_mpii
from reading import Reader, rows

from handpose.skeleton import INTERHAND_ORDER, by_finger

WRITERS: dict[str, Callable[..., Any]] = {
    "manifest": write_manifest,
    "freihand": write_freihand,
    "interhand": write_interhand,
    "mpii": lambda root: write_mpii(root, train=12),
}
INTERHAND = "annotations/{}/InterHand2.6M_{}_{}.json"
RING_FIRST = by_finger(0, 1, 3, 2, 4)  # the middle and the ring finger swapped
TIP_FIRST = np.argsort(INTERHAND_ORDER)  # ours -> theirs


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


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


def flipped_depth(points: np.ndarray) -> np.ndarray:
    return np.concatenate((points[:, :2], 2 * points[0, 2] - points[:, 2:]), axis=1)


def swap_row(_: int, row: dict[str, Any]) -> None:
    row["side"] = "left" if row["side"] == "right" else "right"


ORDER = r"InterHand2\.6M's \(each finger from the tip to the palm, wrist last\)\. Reorder them"
MILLIMETRES = r"xyz is in millimetres, it seems: the bones are \d{3,4} times .* Divide xyz by 1000"
CENTIMETRES = "xyz is in centimetres, it seems: .* Divide xyz by 100"
SWAPPED = "the middle and the ring finger swapped"
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
        r"data\.json: .* in \d+% of the hands: another order of the joints fits better",
    ),
    "fingers": (
        "manifest",
        each_pose(lambda p: p[list(RING_FIRST)]),
        rf"labels\.jsonl: .* in 100% of the hands: .*{SWAPPED}",
    ),
    "fingers, MPII": (
        "mpii",
        mpii(lambda p: p[list(RING_FIRST)]),
        rf"manual_train: .* in \d+% of the hands: .*{SWAPPED}",
    ),
    "depth": ("manifest", each_row("xyz", flipped_depth), r"labels\.jsonl: .*z is flipped about"),
    "larger image, MPII": (
        "mpii",
        mpii(lambda p: p * [3, 3, 1]),
        r"of the hands have most joints outside of their image: .* about [23]\.?\d? times as large",
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
    refusal = reader.refusal(name, *_cut(name))
    assert re.search(words, refusal)
    assert refusal.count("\n") == 1, "counts of what is no fault would look like more faults"


@pytest.mark.parametrize(
    ("split", "change", "words"),
    [
        ("test", swap_halves, SIDES),
        ("val", as_ours, "another order of the joints fits better"),
    ],
)
def test_one_split_of_three_is_refused_by_its_own_file(
    split: str, change: Callable[[Any], Any], words: str, reader: Reader, tmp_path: Path
) -> None:
    """A split is a file of its own, so its labels may have been made otherwise."""
    write_interhand(tmp_path / "interhand", frames=6)
    for what in ("joint_3d", "data") if change is swap_halves else ("joint_3d",):
        path = tmp_path / "interhand" / INTERHAND.format(split, split, what)
        content = json.loads(path.read_text())
        (swap_sides if what == "data" else change)(content)
        path.write_text(json.dumps(content))
    assert re.search(rf"{split}_data\.json: .*{words}", reader.refusal("interhand"))


def _cut(name: str) -> list[str]:
    return [] if name == "interhand" else ["dataset.val_fraction=0.2"]
