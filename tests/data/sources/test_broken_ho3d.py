"""Broken input of HO-3D: many kinds at once, each named by file and reason in one pass."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks import Evil, harmless
from broken import assert_all_named, bytes_of, halve, open_broken, pipe
from layouts_ho3d import write_ho3d, write_meta

from handpose.data.index.problems import BrokenDataError
from handpose.data.index.safe_pickle import load_arrays

FRAMES = 34
TRAIN, TEST = "train/ABF10", "evaluation/SM1"


def change(**values: Any) -> Callable[[Path], None]:
    """Replaces values of a frame; a function gets the joints (21, 3), and DROP removes the key."""

    def act(path: Path) -> None:
        meta = load_arrays(path)
        joints = np.array(meta["handJoints3D"])
        made = {key: v(joints.copy()) if callable(v) else v for key, v in values.items()}
        write_meta(path, {k: v for k, v in (meta | made).items() if v is not DROP})

    return act


DROP = object()
WIDE = np.array([[200.0, 0, 64], [0, 200, 64], [0, 0, 1]])


def joint(place: Any, value: Any) -> Callable[[Path], None]:
    def put(joints: np.ndarray) -> np.ndarray:
        joints[place] = value
        return joints

    return change(handJoints3D=put)


def evil(path: Path) -> None:
    path.write_bytes(pickle.dumps({"handJoints3D": Evil(Path("canary"))}, 2))


def objects(path: Path) -> None:
    path.write_bytes(pickle.dumps({"handJoints3D": np.array([[None] * 3] * 21)}, 2))


METAS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, r"cannot be read \(No such file"),
    "empty": (bytes_of(b""), "cut short at byte 0"),
    "no pickle": (bytes_of(b"<html>404</html>"), "byte 0 is no step of a pickle"),
    "cut": (halve, "cut short at byte"),
    "a pipe": (pipe, "it is a pipe"),
    "an attack": (evil, r"it names posix\.system; only numbers"),
    "objects": (objects, "array of the dtype O8"),
    "a list": (bytes_of(pickle.dumps([1, 2], 2)), "it is not a dict"),
    "without joints": (change(handJoints3D=DROP), "the key 'handJoints3D' is missing"),
    "without a camera": (change(camMat=DROP), "the key 'camMat' is missing"),
    "20 joints": (change(handJoints3D=lambda j: j[:20]), "20 x 3 numbers, where 21 x 3"),
    "the wrist alone": (change(handJoints3D=lambda j: j[0]), "3 numbers, where 21 x 3"),
    "a text": (change(handJoints3D="none"), "not 21 x 3 numbers"),
    "NaN": (joint(0, np.nan), "xyz is NaN or infinite at joint 0"),
    "a joint at the origin": (joint(3, 0.0), "xyz of joint 7 is 0, -0, -0, far from"),
    "OpenGL forgotten": (change(handJoints3D=lambda j: j * [1, -1, -1]), "behind the camera"),
    "millimetres": (change(handJoints3D=lambda j: 1000 * j), "times as long as an adult's"),
    "one point": (change(handJoints3D=np.full((21, 3), -0.4)), "all joints of xyz are at one"),
    "a left hand": (
        change(
            handJoints3D=lambda j: j * [-1, 1, 1],
            camMat=np.array([[200.0, 0, 64], [0, 200, 64], [0, 0, 1]]),
        ),
        "bend backwards for a right hand|far off the image|is off the image",
    ),
    "no camera matrix": (change(camMat=np.zeros((3, 3))), "K is not a camera matrix"),
    "two focal lengths": (change(camMat=np.ones(2)), "2 numbers, where 3 x 3 are expected"),
}
IMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, r"cannot be read \(No such file"),
    "empty": (bytes_of(b""), "0 bytes"),
    "no image": (bytes_of(b"<html>404</html>"), "not an image"),
}
TESTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "without a box": (change(handBoundingBox=DROP), "the key 'handBoundingBox' is missing"),
    "no box": (change(handBoundingBox=None), "not 4 numbers|numbers, where 4"),
    "two corners": (change(handBoundingBox=[1.0, 2.0]), "2 numbers, where 4 are expected"),
    "another wrist": (change(handJoints3D=lambda j: j + 0.1), "173 mm away from that of"),
    "all joints": (change(handJoints3D=np.zeros((21, 3))), "63 numbers, where 3"),
}


def test_at_least_twenty_kinds() -> None:
    assert sum(map(len, (METAS, IMAGES, TESTS))) >= 20


def test_all_are_named_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With files that are fine beside them, which alone would be used."""
    monkeypatch.chdir(tmp_path)
    root, expected = tmp_path / "d", {}
    write_ho3d(root, train=("ABF10", "MC1"), frames=FRAMES)
    for number, (act, reason) in enumerate(METAS.values()):
        expected[f"{TRAIN}/meta/{number:04d}.pkl"] = (act, reason)
    for number, (act, reason) in enumerate(IMAGES.values(), start=len(METAS)):
        expected[f"{TRAIN}/rgb/{number:04d}.png"] = (act, reason)
    for number, (act, reason) in enumerate(TESTS.values()):
        expected[f"{TEST}/meta/{number:04d}.pkl"] = (act, reason)
    for name, (act, _) in expected.items():
        act(root / name)
    joints = json.loads((root / "evaluation_xyz.json").read_text())
    joints[8][3][1] = None
    joints[9] = joints[9][:20]
    (root / "evaluation_xyz.json").write_text(json.dumps(joints))
    lines = (root / "train.txt").read_text() + "../../etc/passwd\nABF10/0030\nABF10\n"
    (root / "train.txt").write_text(lines)
    count = lines.count("\n")
    expected |= {
        "evaluation_xyz.json#9": (None, "20 x 3 numbers, where 21 x 3"),
        f"train.txt#{count - 2}": (None, "is not SEQUENCE/FRAME"),
        f"train.txt#{count - 1}": (None, "ABF10/0030 is listed twice, first at train.txt#31"),
        f"train.txt#{count}": (None, "'ABF10' is not SEQUENCE/FRAME"),
        f"{TEST}/meta/0008.pkl": (None, "NaN or infinite at joint"),
    }
    with harmless(tmp_path / "canary"), pytest.raises(BrokenDataError) as caught:
        open_broken("ho3d", root, tmp_path / "cache")
    assert not caught.value.is_fatal
    reasons = {name: reason for name, (_, reason) in expected.items()}
    assert_all_named(caught.value, reasons)


FATAL: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no list": (
        lambda root: [(root / f"{name}.txt").unlink() for name in ("train", "evaluation")],
        "train.txt: missing, and so is evaluation.txt",
    ),
    "a list that is no text": (
        lambda root: (root / "train.txt").write_bytes(b"\xff\xfe\x00"),
        "train.txt: cannot be read as text",
    ),
    "fewer joints than frames": (
        lambda root: (root / "evaluation_xyz.json").write_text("[]"),
        "evaluation_xyz.json: 0 entries, and evaluation.txt lists 6 frames",
    ),
    "joints that are no JSON": (
        lambda root: (root / "evaluation_xyz.json").write_text("[[[1, 2"),
        "evaluation_xyz.json: .*cut short",
    ),
}


@pytest.mark.parametrize("kind", FATAL)
def test_what_leaves_nothing_to_read_is_fatal(kind: str, tmp_path: Path) -> None:
    write_ho3d(tmp_path / "d", train=("MC1",))
    act, reason = FATAL[kind]
    act(tmp_path / "d")
    with pytest.raises(BrokenDataError, match=reason) as caught:
        open_broken("ho3d", tmp_path / "d", tmp_path / "cache")
    assert caught.value.is_fatal
