"""A cache that is not as it was left: used where it is whole, else set aside and built again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import write_manifest

from handpose.config.errors import UserError, without_traceback
from handpose.data import cache
from handpose.data.base import HandDataset
from handpose.data.sources.manifest import Manifest
from handpose.data.sources.synthetic import Synthetic


def _renders(place: Path) -> tuple[HandDataset, Path]:
    settings = dict(num_train=3, num_val=1, num_test=1, render_size=48, orientation="upright")
    found = Synthetic(root=str(place / "cache"), split="train", seed=0, image_size=32, **settings)
    return found, found._hands.folder


def _index(place: Path) -> tuple[HandDataset, Path]:
    if not (place / "data").exists():
        write_manifest(place / "data")
    found = Manifest(
        root=str(place / "data"),
        cache=str(place / "cache"),
        file="labels.jsonl",
        split="train",
        image_size=32,
        val_fraction=0.2,
    )
    return found, found.index.arrays.folder


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _replace(folder: Path, put: Callable[[Path], object]) -> None:
    shutil.rmtree(folder)
    put(folder)


def _replace_file(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a file": lambda folder: _replace(folder, Path.touch),
    "a broken link": lambda folder: _replace(folder, lambda path: path.symlink_to("nowhere")),
    "an empty directory": lambda folder: _replace(folder, Path.mkdir),
    "an array is missing": lambda folder: (folder / "uv.npy").unlink(),
    "an array is cut": lambda folder: _write(folder / "uv.npy", "\x93NUMPY"),
    "an array is a directory": lambda folder: _replace_file(folder / "uv.npy"),
    "the manifest is cut": lambda folder: _write(folder / "manifest.json", '{"uv": 1'),
    "the manifest is a list": lambda folder: _write(folder / "manifest.json", "[]"),
}


def _without(key: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        summary = json.loads((folder / "summary.json").read_text())
        del summary[key]
        _write(folder / "summary.json", json.dumps(summary))

    return damage


SUMMARIES = {key: _without(key) for key in ("bad_files", "fingerprint", "counts", "problems")}
SUMMARIES["no table"] = lambda folder: _write(folder / "summary.json", "3")


@pytest.mark.parametrize(
    ("open_", "damage"),
    [
        *((open_, damage) for open_ in (_renders, _index) for damage in DAMAGE.values()),
        *((_index, damage) for damage in SUMMARIES.values()),
    ],
)
def test_a_corrupt_cache_is_set_aside_and_built_again(
    open_: Callable,
    damage: Callable[[Path], object],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, folder = open_(tmp_path)
    expected = before[0]
    for _ in range(2):  # what was set aside before makes room
        damage(folder)
        again, _ = open_(tmp_path)
        assert np.array_equal(again[0].uv, expected.uv)
    assert caplog.text.count(f"{folder} is corrupt (") == 2
    assert [path.name for path in folder.parent.glob("*.corrupt")] == [f"{folder.name}.corrupt"]
    caplog.clear()
    open_(tmp_path)
    assert "corrupt" not in caplog.text


@pytest.mark.parametrize("open_", [_renders, _index])
def test_a_read_only_cache_is_used_where_it_is_whole(
    open_: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, folder = open_(tmp_path)
    expected = before[0].uv

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(cache, "FileLock", refuse)
    assert np.array_equal(open_(tmp_path)[0][0].uv, expected)
    shutil.rmtree(folder)
    with pytest.raises(UserError) as told, without_traceback():
        open_(tmp_path)
    assert f"building {folder}, below paths.cache: Permission denied: " in str(told.value)


@pytest.mark.parametrize("put", [Path.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_lock_in_its_place_is_named(
    put: Callable[[Path], object], tmp_path: Path
) -> None:
    _, folder = _renders(tmp_path)
    shutil.rmtree(folder)
    lock = folder.with_name(f".{folder.name}.lock")
    lock.unlink(missing_ok=True)
    put(lock)
    with pytest.raises(UserError, match="Move it away") as told, without_traceback():
        _renders(tmp_path)
    assert str(lock) in str(told.value)


@pytest.mark.parametrize("open_", [_renders, _index])
def test_an_array_that_is_deleted_in_use_is_named(open_: Callable, tmp_path: Path) -> None:
    dataset, folder = open_(tmp_path)
    (folder / "is_left.npy").unlink()
    with pytest.raises(ValueError, match=r"is_left\.npy: deleted while in use\. Run the same"):
        dataset[0]
