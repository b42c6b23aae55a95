"""Any bit of a file that is flipped is found, and so is any end that is missing."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch

from handpose.weights.torch_file import find_corruption, save_with_checksum

CONTENT = {"step": 7, "weight": torch.arange(5.0)}


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    path = tmp_path / "whole"
    with path.open("wb") as file:
        save_with_checksum(CONTENT, file)
    assert find_corruption(path) is None
    return path.read_bytes()


def _is_content(path: Path) -> bool:
    loaded = torch.load(path, weights_only=True)
    return loaded["step"] == 7 and torch.equal(loaded["weight"], CONTENT["weight"])


def _flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_others_read_it_as_ever(whole: bytes, tmp_path: Path) -> None:
    assert _is_content(tmp_path / "whole")


def test_single_bits_all_over_the_file_are_found(whole: bytes, tmp_path: Path) -> None:
    """But those of the word that says that there is a checksum, which change nothing else."""
    path = tmp_path / "damaged"
    missed = []
    for bit in range(0, 8 * len(whole), 29):
        path.write_bytes(_flipped(whole, bit))
        if find_corruption(path) is None:
            missed.append(bit // 8)
            assert _is_content(path)
    assert set(missed) <= {*range(len(whole) - len("crc32 12345678"), len(whole) - 8)}


def test_every_cut_is_found(whole: bytes, tmp_path: Path) -> None:
    """But one within the checksum, which takes nothing else away."""
    path = tmp_path / "cut"
    for size in range(0, len(whole), 11):
        path.write_bytes(whole[:size])
        if find_corruption(path) is None:
            assert size >= len(whole) - len("crc32 12345678")
            assert _is_content(path)


def test_the_checksums_of_the_records_miss_some(tmp_path: Path) -> None:
    """Which is why there is one of the file."""
    buffer, path = io.BytesIO(), tmp_path / "plain"
    torch.save(CONTENT, buffer)

    def is_missed(bit: int) -> bool:
        path.write_bytes(_flipped(buffer.getvalue(), bit))
        if find_corruption(path):
            return False
        try:
            return not _is_content(path)
        except Exception:  # whatever torch finds wrong with it
            return True

    assert any(map(is_missed, reversed(range(8 * len(buffer.getvalue())))))


def test_of_a_missing_file_it_says_so(tmp_path: Path) -> None:
    assert "No such file" in str(find_corruption(tmp_path / "none"))


def test_what_is_no_archive_at_all_is_damaged_whatever_it_holds(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a checkpoint " * 9)
    assert "BadZipFile" in str(find_corruption(tmp_path / "text"))


def test_a_checksum_is_of_all_that_any_writer_hands_over(tmp_path: Path) -> None:
    """Records larger than what is read back at once, too."""
    content: Any = {"large": torch.arange(3 << 20)}
    path = tmp_path / "large"
    with path.open("wb") as file:
        save_with_checksum(content, file)
    assert find_corruption(path) is None
    damaged = bytearray(path.read_bytes())
    damaged[-100_000] ^= 1
    path.write_bytes(damaged)
    assert find_corruption(path) == "checksum"
