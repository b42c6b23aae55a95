"""A model out of a wheel: by pip from a folder, with its hashes and alignment checked."""

import hashlib
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from handpose.detect import command, make_model
from handpose.detect.model_file import LANDMARKS, PALM, check_model_file

WHEEL = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
INFO = "mediapipe-0.10.21.dist-info"


def network(seed: int) -> bytes:
    content = np.random.default_rng(seed).bytes(1001 + seed)
    return content[:4] + b"TFL3" + content[8:]


NETWORKS = {PALM: network(0), LANDMARKS: network(1)}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for pip's index, with a made-up wheel; its hashes are the right ones."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w", zipfile.ZIP_DEFLATED) as wheel:
        for entry, (name, _) in make_model.CONTENT.items():
            wheel.writestr(name, NETWORKS[entry])
        wheel.writestr(
            f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n"
        )
        tag = "cp311-cp311-manylinux_2_28_x86_64"
        wheel.writestr(f"{INFO}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        wheel.writestr(f"{INFO}/RECORD", "")
    content = {
        entry: (name, hashlib.sha256(NETWORKS[entry]).hexdigest())
        for entry, (name, _) in make_model.CONTENT.items()
    }
    monkeypatch.setattr(make_model, "CONTENT", content)
    for name, value in {
        "NO_INDEX": "1",
        "FIND_LINKS": str(folder),
        "CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


def test_the_model_holds_both_networks_stored_and_aligned(index: Path, tmp_path: Path) -> None:
    path = tmp_path / "made.task"
    command.main(["--make-model", str(path)])
    check_model_file(path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as bundle:
        assert bundle.namelist() == [PALM, LANDMARKS]
        for entry in bundle.infolist():
            name, extra = struct.unpack_from("<HH", content, entry.header_offset + 26)
            start = entry.header_offset + 30 + name + extra
            assert start % 16 == 0
            assert content[start : start + entry.file_size] == NETWORKS[entry.filename]
    again = tmp_path / "again.task"
    make_model.make_model(again)
    assert again.read_bytes() == content


def test_other_content_is_refused(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {entry: (name, "0" * 64) for entry, (name, _) in make_model.CONTENT.items()}
    monkeypatch.setattr(make_model, "CONTENT", content)
    with pytest.raises(SystemExit, match=r"palm_detection_full\.tflite is not the one"):
        command.main(["--make-model", str(tmp_path / "made.task")])
    monkeypatch.setattr(make_model, "CONTENT", {PALM: ("mediapipe/other.tflite", "0" * 64)})
    with pytest.raises(ValueError, match=r"not the wheel that Google published .*other\.tflite"):
        make_model.make_model(tmp_path / "made.task")
    assert list(tmp_path.glob("*made*")) == []


def test_a_wheel_that_cannot_be_had_is_an_error_of_pip(index: Path, tmp_path: Path) -> None:
    (index / WHEEL).unlink()
    with pytest.raises(ValueError, match=r"pip cannot get mediapipe==0\.10\.21: ERROR: .*pip c"):
        make_model.make_model(tmp_path / "made.task")


def test_a_path_that_cannot_be_used_is_refused_before_the_download(tmp_path: Path) -> None:
    (tmp_path / "there.task").touch()
    for name, words in {
        "model.zip": "ends with .task",
        "there.task": "exists already",
        "no/model.task": "no such folder",
    }.items():
        with pytest.raises(ValueError, match=words):
            make_model.make_model(tmp_path / name)
