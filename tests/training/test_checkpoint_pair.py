"""Two checkpoints of a stage are kept; whatever ends a save, one of them is whole."""

import errno
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from handpose.training.checkpoint import LAST, PREVIOUS, newest_valid
from handpose.weights import torch_file

NUM_KILLS = 100
NUM_DAMAGES = 300


def _content(number: int) -> dict[str, Any]:
    return {"number": number, "weights": torch.full((20_000,), float(number))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two checkpoints, 1 and 2."""
    for number in (1, 2):
        torch_file.save(_content(number), tmp_path / LAST)
    return tmp_path


def test_the_newer_one_is_taken(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert newest_valid(tmp_path_factory.mktemp("empty")) is None
    assert sorted(path.name for path in folder.iterdir()) == [LAST, PREVIOUS]
    assert newest_valid(folder) == folder / LAST
    assert torch_file.load(folder / LAST)["number"] == 2
    assert torch_file.load(folder / PREVIOUS)["number"] == 1


def test_any_flipped_bit_or_cut_is_found_and_the_older_one_taken(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(0)
    whole = (folder / LAST).read_bytes()
    for number in range(NUM_DAMAGES):
        damaged = bytearray(whole)
        if number % 3 == 0:
            damaged = damaged[: rng.randrange(len(whole))]
        else:
            damaged[rng.randrange(len(whole) - 16)] ^= 1 << rng.randrange(8)
        (folder / LAST).write_bytes(damaged)
        caplog.clear()
        assert newest_valid(folder) == folder / PREVIOUS, number
        assert f"{folder / LAST} (" in caplog.text
        assert f"resuming from {folder / PREVIOUS}" in caplog.text


def test_a_damaged_one_never_takes_the_place_of_the_whole_one(folder: Path) -> None:
    (folder / LAST).write_bytes(b"PK")
    newest_valid(folder)
    torch_file.save(_content(3), folder / LAST)
    assert torch_file.load(folder / LAST)["number"] == 3
    assert torch_file.load(folder / PREVIOUS)["number"] == 1


def test_none_is_better_than_a_damaged_one(folder: Path) -> None:
    for name in (LAST, PREVIOUS):
        (folder / name).write_bytes(b"PK")
    with pytest.raises(
        ValueError, match=r"every checkpoint in .* is corrupt: .*last\.ckpt .*previous\.ckpt"
    ):
        newest_valid(folder)


def test_a_full_disk_keeps_what_is_there_and_says_how_much_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(content: Any, file: Any) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"80,000 bytes needed, [\d,]+ free.*last\.ckpt") as raised:
        torch_file.save(_content(3), folder / LAST)
    assert raised.value.errno == errno.ENOSPC
    assert torch_file.load(folder / LAST)["number"] == 2
    assert sorted(path.name for path in folder.iterdir()) == [LAST, PREVIOUS]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ("-t", "tmpfs", "-o", "size=2M", "none", str(disk))
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_on_a_disk_that_is_full_indeed(small_disk: Path) -> None:
    weights = torch.zeros(200_000)
    for number in (1, 2):
        torch_file.save({"number": number, "weights": weights}, small_disk / LAST)
    for _ in range(2):
        with pytest.raises(OSError, match=r"800,000 bytes needed, [4-5]\d\d,\d{3} free"):
            torch_file.save({"number": 3, "weights": weights}, small_disk / LAST)
    assert sorted(path.name for path in small_disk.iterdir()) == [LAST, PREVIOUS]
    assert torch_file.load(small_disk / LAST)["number"] == 2


def test_kill_9_at_any_time_leaves_a_whole_one_and_no_pile_of_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/dev/shm")  # another file system
    rng = random.Random(0)
    for _ in range(NUM_KILLS):
        child = os.fork()
        if child == 0:
            while True:
                torch_file.save(_content(3), folder / LAST)
        time.sleep(rng.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        path = newest_valid(folder)
        assert path is not None
        assert torch_file.load(path)["number"] in (1, 2, 3)
        assert len(list(folder.iterdir())) <= 3  # the two, and one that was being written
