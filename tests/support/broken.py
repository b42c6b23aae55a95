"""Ways to break the small datasets of `layouts`, and what the refusal must say.

Some break a file below a root, named in advance; `bytes_of`, `halve` and `pipe` break a path.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from layouts import write_freihand, write_interhand, write_manifest, write_mpii, write_youtube
from layouts_assemblyhands import write_assemblyhands
from layouts_coco import write_coco
from layouts_dexycb import write_dexycb
from layouts_ho3d import write_ho3d
from layouts_rhd import write_rhd

from handpose.data.index.problems import BrokenDataError
from handpose.data.indexed import IndexedDataset
from handpose.data.sources.assemblyhands import AssemblyHands
from handpose.data.sources.coco import Coco
from handpose.data.sources.dexycb import DexYcb
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.ho3d import Ho3d
from handpose.data.sources.interhand import InterHand
from handpose.data.sources.manifest import Manifest
from handpose.data.sources.mpii import MpiiHands
from handpose.data.sources.rhd import RenderedHands
from handpose.data.sources.youtube import YouTube3D

SOURCES: dict[str, tuple[Callable, type[IndexedDataset], dict[str, Any]]] = {
    "freihand": (write_freihand, FreiHand, {"val_fraction": 0.25, "box_side": 0.7}),
    "interhand": (write_interhand, InterHand, {"annotations": "all"}),
    "mpii": (write_mpii, MpiiHands, {"val_fraction": 0.2}),
    "youtube": (write_youtube, YouTube3D, {"joint_regressor": None}),
    "assemblyhands": (write_assemblyhands, AssemblyHands, {"val_fraction": 0.3}),
    "rhd": (write_rhd, RenderedHands, {"val_fraction": 0.3}),
    "dexycb": (write_dexycb, DexYcb, {"setup": "s1"}),
    "ho3d": (write_ho3d, Ho3d, {"val_fraction": 0.3}),
    "manifest": (write_manifest, Manifest, {"file": "labels.jsonl", "val_fraction": 0.2}),
    "coco": (write_coco, Coco, {"test_file": "test.json", "val_fraction": 0.2}),
}
NAN, INFINITY = float("nan"), float("inf")
IMAGE = "training/rgb/00000005.jpg"
DATA = "annotations/train/InterHand2.6M_train_data.json"
JOINTS = "annotations/train/InterHand2.6M_train_joint_3d.json"
CAMERA = "annotations/train/InterHand2.6M_train_camera.json"
LABEL = "hand_labels/manual_train/000000500_01_r.json"


def change_json(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        content = json.loads((root / name).read_text())
        change(content)
        (root / name).write_text(json.dumps(content))

    return act


def change_line(number: int, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        lines = (root / "labels.jsonl").read_text().splitlines()
        row = json.loads(lines[number - 1])
        change(row)
        lines[number - 1] = json.dumps(row)
        (root / "labels.jsonl").write_text("\n".join(lines))

    return act


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes(content) and None


def cut(name: str, length: int) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:length]) and None


def delete(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def picture(name: str, width: int, height: int) -> Callable[[Path], None]:
    image = np.zeros((height, width, 3), np.uint8)
    return lambda root: cv2.imwrite(str(root / name), image) and None


def put(*keys: Any, value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def repeat_last(key: str) -> Callable[[Any], None]:
    return lambda content: content[key].append(content[key][0])


def bytes_of(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def assert_named(error: BrokenDataError, file: str, reason: str) -> None:
    """The file is named with the reason, a regular expression, and the message has both."""
    named = {problem.file: problem.reason for problem in error.problems}
    assert file in named, named
    assert re.search(reason, named[file]), (file, named[file], reason)
    assert f"{file}: {named[file]}" in str(error)


def assert_all_named(error: BrokenDataError, expected: dict[str, str]) -> None:
    """These files are named with their reasons, and no others."""
    named = {problem.file: problem.reason for problem in error.problems}
    assert set(named) == set(expected)
    for file, reason in expected.items():
        assert re.search(reason, named[file]), (file, named[file], reason)


def open_broken(source: str, root: Path, cache: Path, **settings: Any) -> IndexedDataset:
    """The training split of a source."""
    _, kind, own = SOURCES[source]
    contract = dict(root=str(root), cache=str(cache), image_size=64, split="train")
    return kind(**contract | own | settings)
