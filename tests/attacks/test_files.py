"""Files that would run code, or take all memory, when they are read: refused, by name and soon."""

import json
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from attacks import evil_array, evil_checkpoint, evil_old_checkpoint, evil_pickle, harmless
from layouts import write_freihand, write_interhand, write_manifest, write_mpii, write_youtube
from layouts_assemblyhands import write_assemblyhands

from handpose.data.cache import ArrayFolder
from handpose.data.images import read_image
from handpose.data.positives.joint_files import read_predictions
from handpose.data.sources.assemblyhands import AssemblyHands
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.interhand import InterHand
from handpose.data.sources.manifest import Manifest
from handpose.data.sources.mpii import MpiiHands
from handpose.data.sources.youtube import YouTube3D, load_regressor
from handpose.weights import torch_file
from handpose.weights.read import read_state_dict

PICKLES = {"zip": evil_checkpoint, "old": evil_old_checkpoint, "pickle": evil_pickle}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "carried_out"


@pytest.mark.parametrize("kind", PICKLES)
def test_the_pickles_are_real(kind: str, tmp_path: Path, canary: Path) -> None:
    PICKLES[kind](tmp_path / "x.pt", canary)
    if kind == "pickle":
        pickle.loads((tmp_path / "x.pt").read_bytes())
    else:
        torch.load(tmp_path / "x.pt", weights_only=False)
    assert canary.exists()


def test_the_array_is_real(tmp_path: Path, canary: Path) -> None:
    evil_array(tmp_path / "x.npy", canary)
    np.load(tmp_path / "x.npy", allow_pickle=True)
    assert canary.exists()


READERS: dict[str, Callable[[Path], Any]] = {
    "backbone.pt": read_state_dict,
    "last.ckpt": torch_file.load,
    "model.pt": torch_file.load,
    "regressor.pt": load_regressor,
}


@pytest.mark.parametrize("trusting", [False, True])
@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize("name", READERS)
def test_a_pickle_in_the_place_of_weights(
    name: str,
    kind: str,
    trusting: bool,
    tmp_path: Path,
    canary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if trusting:  # a variable that turns torch's own guard off where nothing else is said
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    PICKLES[kind](tmp_path / name, canary)
    with harmless(canary), pytest.raises(ValueError, match=name):
        READERS[name](tmp_path / name)


def test_a_checkpoint_says_what_it_would_have_run(tmp_path: Path, canary: Path) -> None:
    evil_checkpoint(tmp_path / "last.ckpt", canary)
    with pytest.raises(ValueError, match=r"holds posix\.system, .* None was run"):
        torch_file.load(tmp_path / "last.ckpt")


def test_objects_in_the_place_of_numbers(tmp_path: Path, canary: Path) -> None:
    evil_array(tmp_path / "regressor.npy", canary)
    with harmless(canary), pytest.raises(ValueError, match=r"regressor\.npy: cannot be read"):
        load_regressor(tmp_path / "regressor.npy")
    evil_array(tmp_path / "train.npy", canary)
    source = opened("freihand", tmp_path)
    with harmless(canary), pytest.raises(ValueError, match=r"train\.npy cannot be read"):
        read_predictions(str(tmp_path), source)
    evil_array(source.index.arrays.folder / "uv.npy", canary)
    with harmless(canary), pytest.raises(ValueError, match=r"uv\.npy: not a plain array"):
        ArrayFolder(source.index.arrays.folder)["uv"]


def test_an_array_that_claims_a_terabyte(tmp_path: Path, canary: Path) -> None:
    header = str({"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**5)}).encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    bomb = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    (tmp_path / "regressor.npy").write_bytes(bomb)
    # Which it is depends on whether the system promises memory that it has not.
    with pytest.raises((MemoryError, ValueError)):
        np.load(tmp_path / "regressor.npy")
    with harmless(canary), pytest.raises(ValueError, match="cannot be read"):
        load_regressor(tmp_path / "regressor.npy")


SOURCES: dict[str, tuple[Callable[..., Any], type, dict[str, Any], str]] = {
    "freihand": (write_freihand, FreiHand, {"val_fraction": 0.25, "box_side": 0.7}, "*_xyz.json"),
    "interhand": (write_interhand, InterHand, {"annotations": "all"}, "*/train/*data.json"),
    "mpii": (write_mpii, MpiiHands, {"val_fraction": 0.2}, "*_train/*.json"),
    "assemblyhands": (write_assemblyhands, AssemblyHands, {}, "train/*_data_v1-1.json"),
    "youtube": (write_youtube, YouTube3D, {"joint_regressor": None}, "youtube_train.json"),
    "manifest": (write_manifest, Manifest, {"file": "labels.jsonl"}, "labels.jsonl"),
}


def opened(
    name: str, folder: Path, spoil: Callable[[Path], None] = lambda root: None, **more: Any
) -> Any:
    """A source whose files were spoiled before it is read."""
    write, source, settings, _ = SOURCES[name]
    root = folder / name
    write(root)
    spoil(root)
    settings = {"val_fraction": 0.25, **settings, **more}
    if name in ("interhand", "youtube"):
        settings.pop("val_fraction")
    return source(
        root=str(root), cache=str(folder / "cache"), split="train", image_size=32, **settings
    )


JSON_BOMBS = {
    "deep": "[" * 200_000 + "]" * 200_000,
    "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "open": "[" * 1_000_000,
    "digits": '{"images": [{"id": ' + "9" * 20_000 + "}]}",
}


@pytest.mark.parametrize("bomb", JSON_BOMBS)
@pytest.mark.parametrize("name", SOURCES)
def test_a_bomb_in_the_annotations(name: str, bomb: str, tmp_path: Path, canary: Path) -> None:
    def spoil(root: Path) -> None:
        next(iter(sorted(root.rglob(SOURCES[name][3])))).write_text(JSON_BOMBS[bomb])
        begun.append(harmless(canary))
        begun[0].__enter__()

    begun: list[Any] = []
    pattern = SOURCES[name][3].rpartition("*")[2].rpartition("/")[2].replace(".", r"\.")
    with pytest.raises(ValueError, match=pattern):
        opened(name, tmp_path, spoil)
    begun[0].__exit__(None, None, None)


def test_the_bomb_in_the_annotations_is_real() -> None:
    with pytest.raises(RecursionError):
        json.loads(JSON_BOMBS["deep"])


def png(width: int, height: int) -> bytes:
    """A PNG whose rows are all black; in full, and small all the same."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + sum_

    packed = zlib.compressobj(9)
    rows = b"".join(packed.compress(bytes(1 + width)) for _ in range(height)) + packed.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def with_size(content: bytes, marker: bytes, at: int, form: str, side: int = 60_000) -> bytes:
    """A picture whose header claims to be of another size."""
    start = content.index(marker) + at
    return (
        content[:start] + struct.pack(form, side, side) + content[start + struct.calcsize(form) :]
    )


def picture(suffix: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return cv2.imencode(suffix, noise)[1].tobytes()


IMAGE_BOMBS = {
    "png": with_size(png(64, 64), b"IHDR", 4, ">II"),
    "jpeg": with_size(picture(".jpg"), b"\xff\xc0", 5, ">HH"),
    "bmp": with_size(picture(".bmp"), b"BM", 18, "<ii"),
    "tiff": picture(".tiff")[:8] + b"\xff" * 64,
}


@pytest.mark.parametrize("kind", IMAGE_BOMBS)
@pytest.mark.parametrize("name", ["freihand", "manifest"])
def test_a_bomb_among_the_pictures(name: str, kind: str, tmp_path: Path, canary: Path) -> None:
    def spoil(root: Path) -> None:
        victim = sorted(path for path in root.rglob("*") if path.suffix in (".jpg", ".png"))[-1]
        victim.write_bytes(IMAGE_BOMBS[kind])
        names.append(victim.name)

    names: list[str] = []
    with pytest.raises(ValueError, match="1 bad files or records") as told:
        opened(name, tmp_path, spoil)
    assert names[0] in str(told.value)
    bomb = next(path for path in (tmp_path / name).rglob(names[0]))
    with harmless(canary), pytest.raises(ValueError, match=r"states|not an image"):
        read_image(bomb)


def test_the_picture_is_real(tmp_path: Path) -> None:
    """A whole picture, small on disk: OpenCV sets its pixels aside, and `read_image` does not."""
    (tmp_path / "x.png").write_bytes(png(12_000, 12_000))
    assert (tmp_path / "x.png").stat().st_size < 500_000
    assert cv2.imread(str(tmp_path / "x.png"), cv2.IMREAD_GRAYSCALE).size == 144_000_000
    with pytest.raises(ValueError, match="states 12000 x 12000 px"):
        read_image(tmp_path / "x.png")
