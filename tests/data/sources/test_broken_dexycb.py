"""Broken input of DexYCB: many kinds at once, each named by file and reason in one pass."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from attacks import Evil, harmless
from broken import assert_all_named, bytes_of, halve, open_broken, pipe
from layouts_dexycb import sequence_name, write_dexycb, write_labels

from handpose.data.index.problems import BrokenDataError
from handpose.data.sources.dexycb_setups import SERIALS, SUBJECTS

FRAMES = 36
SEQUENCE = f"{SUBJECTS[0]}/{sequence_name(0)}"
CAMERA = f"{SEQUENCE}/{SERIALS[0]}"


def change(joints: Callable[[np.ndarray], Any] | None = None, **others: Any) -> Callable:
    """Changes joint_3d (21, 3) in place, or replaces arrays of the file."""

    def act(path: Path) -> None:
        with np.load(path) as labels:
            xyz, uv = labels["joint_3d"][0].copy(), labels["joint_2d"][0].copy()
        if joints is not None:
            joints(xyz)
        made = {k: v(xyz[None], uv[None]) if callable(v) else v for k, v in others.items()}
        write_labels(path, xyz, uv, **made)

    return act


def put(joint: int, value: Any) -> Callable[[np.ndarray], None]:
    return lambda xyz: xyz.__setitem__(joint, value)


def terabyte(path: Path) -> None:
    """A file whose header states more numbers than there are."""
    header = io.BytesIO()
    fields = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**5)}
    np.lib.format.write_array_header_1_0(header, fields)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("joint_3d.npy", header.getvalue())


def bomb(path: Path) -> None:
    """A gigabyte of zeros, packed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("joint_3d.npy", bytes(1 << 24))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def small(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((240, 320, 3), np.uint8))


LABELS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, r"cannot be read \(No such file"),
    "empty": (bytes_of(b""), "corrupt, or not a .npz file"),
    "no zip": (bytes_of(b"<html>404</html>"), "corrupt, or not a .npz file"),
    "cut": (halve, "corrupt, or not a .npz file"),
    "a folder": (folder, "it is a directory"),
    "a pipe": (pipe, "it is a pipe"),
    "without joint_3d": (change(joint_3d=None), "it has no joint_3d"),
    "without joint_2d": (change(joint_2d=None), "it has no joint_2d"),
    "20 joints": (change(joint_3d=lambda xyz, uv: xyz[:, :20]), "1 x 20 x 3 float32, where"),
    "two hands": (
        change(joint_3d=lambda xyz, uv: np.concatenate((xyz, xyz))),
        "2 x 21 x 3 float32, where 1 x 21 x 3 are expected|too many for 1 x 21 x 3",
    ),
    "3D for 2D": (change(joint_2d=lambda xyz, uv: xyz), "1 x 21 x 3 float32, where 1 x 21 x 2"),
    "texts": (
        change(joint_3d=np.full((1, 21, 3), "a")),
        "joint_3d is 1 x 21 x 3 <U1, where",
    ),
    "objects": (
        change(joint_3d=np.full((1, 21, 3), Evil(Path("canary")), dtype=object)),
        "joint_3d .*(object|too many|is not an array)",
    ),
    "a terabyte": (terabyte, r"joint_3d is 1000000 x 100000 float64, where"),
    "a bomb": (bomb, "joint_3d has 16,777,216 bytes, too many"),
    "NaN": (change(put(7, np.nan)), "xyz is NaN or infinite at joint 7"),
    "infinite": (change(put(3, [np.inf, 0, 1])), "xyz is NaN or infinite at joint 3"),
    "NaN in 2D": (
        change(joint_2d=lambda xyz, uv: np.full_like(uv, np.nan)),
        "joint_2d is NaN or infinite",
    ),
    "a joint without a label": (change(put(3, -1.0)), r"joint 3 is -1, -1, -1|joint 3 is behind"),
    "behind the camera": (change(put(4, [0, 0, -0.4])), "joint 4 is behind the camera"),
    "one point": (change(put(slice(None), [0, 0, 0.5])), "all joints of xyz are at one point"),
    "millimetres": (change(lambda xyz: xyz.__imul__(1000)), r"times as long as an adult's"),
    "beyond all": (change(put(3, 1e9)), "at joint 3, beyond 1e"),
    "a long bone": (
        change(lambda xyz: xyz[8].__iadd__([0, 0.3, 0])),
        "index DIP to index tip is .* mm long",
    ),
    "another camera": (change(joint_2d=lambda xyz, uv: uv + 40), "57 px away from uv"),
}
IMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, r"cannot be read \(No such file"),
    "empty": (bytes_of(b""), "0 bytes"),
    "cut": (halve, "cut short"),
    "no image": (bytes_of(b"<html>404</html>"), "not an image"),
    "wrong size": (small, "320 x 240 px, where the annotations say 640 x 480"),
}


def meta(**changes: Any) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        content = yaml.safe_load(path.read_text()) | changes
        path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}))

    return act


SEQUENCES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, r"cannot be read \(No such file"),
    "no YAML": (bytes_of(b"a: [1, 2"), "not YAML"),
    "a list": (bytes_of(b"[1, 2]"), "it is not a YAML mapping"),
    "a command": (bytes_of(b"a: !!python/object/apply:os.system [ls]"), "not YAML"),
    "no length": (meta(num_frames=None), "the key 'num_frames' is missing"),
    "a billion frames": (meta(num_frames=10**9), "num_frames is 1000000000, not a number up to"),
    "no sides": (meta(mano_sides=None), "the key 'mano_sides' is missing"),
    "both sides": (meta(mano_sides=["left", "right"]), r"not \[left\] or \[right\]"),
}
CALIBRATIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, r"cannot be read \(No such file"),
    "no colour": (meta(color=None), "the key 'color' is missing"),
    "half a camera": (meta(color={"fx": 600.0}), "the key 'fy' is missing"),
    "no number": (
        meta(color={"fx": "wide", "fy": 1.0, "ppx": 1.0, "ppy": 1.0}),
        "not  numbers|not .*numbers",
    ),
}


def test_at_least_twenty_kinds() -> None:
    assert sum(map(len, (LABELS, IMAGES, SEQUENCES, CALIBRATIONS))) >= 20


def test_all_are_named_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With files that are fine beside them, which alone would be used."""
    monkeypatch.chdir(tmp_path)
    root, expected = tmp_path / "d", {}
    write_dexycb(root, subjects=(0,), places=(0, 50), serials=(0,), frames=FRAMES)
    places = tuple(range(1, 1 + len(SEQUENCES)))
    write_dexycb(root, subjects=(0,), places=places, serials=(0,), frames=1)
    write_dexycb(root, subjects=(0,), places=(60,), serials=(1, 2, 3, 4), frames=1)
    for number, (act, reason) in enumerate(LABELS.values(), start=1):
        expected[f"{CAMERA}/labels_{number:06d}.npz"] = (act, reason)
    for number, (act, reason) in enumerate(IMAGES.values(), start=1 + len(LABELS)):
        expected[f"{CAMERA}/color_{number:06d}.jpg"] = (act, reason)
    for place, (act, reason) in zip(places, SEQUENCES.values(), strict=True):
        expected[f"{SUBJECTS[0]}/{sequence_name(place)}/meta.yml"] = (act, reason)
    for serial, (act, reason) in zip(SERIALS[1:], CALIBRATIONS.values(), strict=False):
        expected[f"calibration/intrinsics/{serial}_640x480.yml"] = (act, reason)
    for name, (act, _) in expected.items():
        act(root / name)
    with harmless(tmp_path / "canary"), pytest.raises(BrokenDataError) as caught:
        open_broken("dexycb", root, tmp_path / "cache")
    assert not caught.value.is_fatal
    reasons = {name: reason for name, (_, reason) in expected.items()}
    assert_all_named(caught.value, reasons)
    quarantine = tmp_path / "q.csv"
    quarantine.write_text("\n".join(["file,reason", *(f"{name}," for name in expected)]))
    rest = open_broken("dexycb", root, tmp_path / "cache", quarantine=str(quarantine))
    assert len(rest) == 2 * FRAMES - len(LABELS) - len(IMAGES)


def test_what_is_no_dexycb_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "d/models").mkdir(parents=True)
    with pytest.raises(BrokenDataError, match="20200709-subject-01: missing, and so are") as caught:
        open_broken("dexycb", tmp_path / "d", tmp_path / "cache")
    assert caught.value.is_fatal
