"""A file is whole or named as corrupt; what was there before survives a failed save."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from handpose.weights import torch_file
from handpose.weights.read import read_state_dict


def test_round_trip(tmp_path: Path) -> None:
    content = {"state_dict": {"w": torch.randn(3)}, "meta": {"epoch": 4, "name": "x"}}
    torch_file.save(content, tmp_path / "deep" / "a.pt")
    loaded = torch_file.load(tmp_path / "deep" / "a.pt")
    assert torch.equal(loaded["state_dict"]["w"], content["state_dict"]["w"])
    assert loaded["meta"] == content["meta"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "missing"])
def test_damage_is_found_and_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch_file.save({"w": torch.randn(1000)}, path)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[2000] ^= 1
    path.write_bytes({"flip": content, "cut": content[:-50]}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    with pytest.raises(ValueError, match=r"a\.pt is corrupt or missing"):
        torch_file.load(path)


def test_a_failed_save_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch_file.save({"w": 1}, path)
    with pytest.raises(Exception, match="pickle"):
        torch_file.save({"w": lambda: 0}, path)
    assert torch_file.load(path) == {"w": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"w": Trap()}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt is refused: .* None was run"):
        torch_file.load(tmp_path / "a.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("read", [torch_file.load, read_state_dict])
def test_a_file_of_a_newer_format_is_refused_by_name(read: Callable, tmp_path: Path) -> None:
    path, content = tmp_path / "backbone.pt", {"state_dict": {"w": torch.ones(1)}}
    for known in (content, torch_file.versioned(content)):
        torch_file.save(known, path)
        read(path)
    torch_file.save(content | {"format_version": torch_file.FORMAT_VERSION + 1}, path)
    with pytest.raises(ValueError, match=r"backbone\.pt was written by a newer handpose"):
        read(path)
