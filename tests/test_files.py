"""Devices, pipes, sockets, directories and files of gigabytes in the place of a user's files.

Opening a pipe waits for a writer, so whatever opens one here would never return.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from layouts import write_folder, write_freihand, write_interhand, write_manifest, write_mpii

from handpose.config.checks.safety import yaml_problem
from handpose.data.images import read_image
from handpose.data.index.problems import BrokenDataError, read_quarantine
from handpose.data.positives.joint_files import read_predictions
from handpose.data.sources.folder import Folder
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.interhand import InterHand
from handpose.data.sources.manifest import Manifest
from handpose.data.sources.mpii import MpiiHands
from handpose.data.sources.youtube import load_regressor
from handpose.files import regular
from handpose.media.frames import read_images
from handpose.media.inputs import find_input
from handpose.study.status import read_json
from handpose.weights import torch_file
from handpose.weights.read import read_state_dict

Make = Callable[[Path], None]


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket is short
    socket.socket(socket.AF_UNIX).bind(path.name)
    os.chdir(here)


def _ten_gigabytes(path: Path) -> None:
    path.touch()
    os.truncate(path, 10 << 30)  # takes no room on the disk


KINDS: dict[str, tuple[Make, str]] = {
    "pipe": (os.mkfifo, "a pipe"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "socket": (_socket, "a socket"),
    "directory": (Path.mkdir, "a directory"),
    "large": (_ten_gigabytes, "10,737,418,240 bytes, the limit is"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def _replace(path: Path, kind: str) -> str:
    path.unlink(missing_ok=True)
    KINDS[kind][0](path)
    return KINDS[kind][1]


@every_kind
def test_it_is_told_and_not_opened(kind: str, tmp_path: Path) -> None:
    reason = _replace(tmp_path / "x.jpg", kind)
    with pytest.raises(OSError, match=reason):
        regular(tmp_path / "x.jpg", most=1 << 30)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "x.jpg")
    with pytest.raises(ValueError, match=rf"link\.jpg: cannot be read \(.*{reason}"):
        read_image(tmp_path / "link.jpg")
    (frame,) = read_images([tmp_path / "x.jpg"], ["x.jpg"])
    assert reason in str(frame)


def test_regular_files_and_links_to_them_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert regular(tmp_path / "b", most=5).read_bytes() == b"12345"
    with pytest.raises(OSError, match="5 bytes, the limit is 4"):
        regular(tmp_path / "b", most=4)
    with pytest.raises(FileNotFoundError):
        regular(tmp_path / "c", most=4)


@every_kind
@pytest.mark.parametrize(
    "read", [read_quarantine, load_regressor, read_state_dict, torch_file.load, read_json]
)
def test_readers_of_single_files(kind: str, read: Callable[[Path], Any], tmp_path: Path) -> None:
    reason = _replace(tmp_path / "x.npy", kind)
    with pytest.raises(ValueError, match=reason):
        read(tmp_path / "x.npy")
    assert reason in str(yaml_problem(tmp_path / "x.npy"))


@every_kind
def test_files_of_predictions(kind: str, tmp_path: Path) -> None:
    _replace(tmp_path / "train.npy", kind)
    source: Any = SimpleNamespace(split="train")
    with pytest.raises(ValueError, match=r"train\.npy cannot be read as an array"):
        read_predictions(str(tmp_path), source)


@every_kind
def test_a_folder_leaves_them_out_by_name(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_folder(tmp_path / "d")
    first = next(path for path in sorted((tmp_path / "d").rglob("*.jpg")))
    reason = _replace(first, kind)
    if kind == "large":  # of one size, so that they might be copies
        _replace(first.with_name("other.jpg"), kind)
    contract: dict[str, Any] = dict(root=str(tmp_path / "d"), image_size=32, split="train")
    contract |= dict(cache=str(tmp_path / "cache"), val_fraction=0.2, boxes=None, min_side=16)
    dataset = Folder(**contract, max_left_out=0.5)
    names = [dataset.image_name(i) for i in range(len(dataset))]
    assert names
    assert first.relative_to(tmp_path / "d").as_posix() not in names
    if kind != "directory":  # no image by its name: a folder as any other
        assert f"{first.relative_to(tmp_path / 'd')}: cannot be read (" in caplog.text
        assert reason in caplog.text


@every_kind
@pytest.mark.parametrize(
    ("write", "source", "settings", "name"),
    [
        (write_freihand, FreiHand, {"box_side": 0.7, "val_fraction": 0.2}, "training_K.json"),
        (write_freihand, FreiHand, {"box_side": 0.7, "val_fraction": 0.2}, "training/rgb/*03.jpg"),
        (write_mpii, MpiiHands, {"val_fraction": 0.2}, "hand_labels/manual_train/*.json"),
        (write_mpii, MpiiHands, {"val_fraction": 0.2}, "hand_labels/manual_train/*.jpg"),
        (write_interhand, InterHand, {"annotations": "human"}, "annotations/train/aid*.txt"),
        (write_interhand, InterHand, {"annotations": "all"}, "annotations/train/*_camera.json"),
        (write_manifest, Manifest, {"file": "labels.jsonl", "val_fraction": 0.2}, "labels.jsonl"),
    ],
)
def test_labelled_sources_refuse_them_by_name(
    kind: str, write: Callable, source: type, settings: dict, name: str, tmp_path: Path
) -> None:
    write(tmp_path / "d")
    path = sorted((tmp_path / "d").glob(name))[0]
    _replace(path, kind)
    contract = dict(root=str(tmp_path / "d"), image_size=32, split="train")
    with pytest.raises(BrokenDataError, match=f"{path.name}: ") as refusal:
        source(**contract, **settings, cache=str(tmp_path / "cache"))
    assert len(refusal.value.problems) == 1 or kind == "directory"


@every_kind
def test_a_prediction_is_refused_or_leaves_them_out(kind: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    write_folder(tmp_path / "d/good")
    reason = _replace(tmp_path / "d/x.jpg", kind)
    found = find_input(str(tmp_path / "d"), recursive=True)
    assert (tmp_path / "d/x.jpg" in found.images) == (kind != "directory")  # told when it is read
    if kind not in ("directory", "large"):  # a video may be as large
        with pytest.raises(ValueError, match=reason):
            find_input(str(tmp_path / "d/x.jpg"))


def test_a_value_without_end_in_a_json_file(tmp_path: Path) -> None:
    write_freihand(tmp_path / "d")
    _ten_gigabytes(tmp_path / "d/training_K.json")
    with (tmp_path / "d/training_K.json").open("r+b") as file:
        file.write(b'["')
    with pytest.raises(BrokenDataError, match=r"training_K\.json: "):
        FreiHand(
            **dict(root=str(tmp_path / "d"), image_size=32, split="train", box_side=0.7),
            **dict(cache=str(tmp_path / "cache"), val_fraction=0.2),
        )
