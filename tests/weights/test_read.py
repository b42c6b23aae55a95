"""Reading a file of weights runs nothing; whatever is wrong with it is named."""

import argparse
import os
import pickle
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from handpose.weights.read import read_state_dict

STATE = {"conv1.weight": torch.arange(4000.0), "bn1.bias": torch.ones(2)}


def assert_read(path: Path) -> None:
    state = read_state_dict(path)
    assert state.keys() == STATE.keys()
    assert all(torch.equal(value, STATE[name]) for name, value in state.items())


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize(
    "content",
    [STATE, {"state_dict": STATE, "meta": {"epoch": 3, "config": "x = 1"}, "optimizer": {"a": []}}],
    ids=["bare", "in a checkpoint"],
)
def test_a_state_dict_is_read(content: dict[str, Any], is_zip: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    assert_read(path)


def test_safetensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(STATE, path)
    assert_read(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"a\.safetensors is not a weights file"):
        read_state_dict(path)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text", "missing"])
def test_damage_is_found_and_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(STATE, path)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[6000] ^= 1
    path.write_bytes({"flip": content, "cut": content[:-50], "text": b"<html>"}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    with pytest.raises(ValueError, match=r"a\.pt is not a weights file") as error:
        read_state_dict(path)
    assert ("checksum" in str(error.value)) == (damage == "flip")


class Trap:
    """Makes a folder if it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["zip", "before torch 1.6", "bare pickle"])
def test_code_in_a_file_is_named_and_not_run(form: str, tmp_path: Path) -> None:
    path, sprung = tmp_path / "a.pt", tmp_path / "sprung"
    content = {"state_dict": STATE, "hyper_parameters": Trap(sprung)}
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(content["hyper_parameters"], protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    name = f"{os.mkdir.__module__}.mkdir"
    with pytest.raises(ValueError, match=rf"a\.pt is refused: besides tensors it holds {name}, "):
        read_state_dict(path)
    assert not sprung.exists()
    if form == "bare pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert sprung.is_dir()  # the trap was a real one


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_that_cannot_be_looked_into_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol=4))
    with pytest.raises(ValueError, match=r"a\.pt is not a weights file \(.*Unsupported") as error:
        read_state_dict(path)
    assert "weights_only" not in str(error.value)  # torch advises to run it
    assert not (tmp_path / "sprung").exists()


def test_a_trusted_checkpoint_is_converted_by_the_command_in_the_message(tmp_path: Path) -> None:
    path = tmp_path / "it's a.ckpt"
    torch.save({"hyper_parameters": argparse.Namespace(lr=1.0), "state_dict": STATE}, path)
    with pytest.raises(ValueError, match=r"it holds argparse\.Namespace, ") as error:
        read_state_dict(path)
    command = shlex.split(re.findall(r"^  (python -c .*)$", str(error.value), re.MULTILINE)[0])
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True, timeout=120)
    assert_read(tmp_path / "OUT.pt")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"net": STATE, "epoch": 3}, r"a dict of 2 keys \(net, epoch\).*: net, epoch are no"),
        ([1, 2], "holds a list"),
        ({}, "holds an empty dict"),
        ({"state_dict": {}, "epoch": 1}, r"a dict of 2 keys \(state_dict, epoch\)"),
        ({"state_dict": STATE | {"lr": 0.1}}, "lr are not tensors"),
    ],
)
def test_what_is_no_state_dict_says_what_it_is(content: Any, why: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=rf"a\.pt holds.*{why.removeprefix('holds ')}"):
        read_state_dict(tmp_path / "a.pt")
