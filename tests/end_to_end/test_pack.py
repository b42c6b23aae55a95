"""`handpose pack`, and what a run and the doctor make of its packs."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handpose.doctor.command import main as doctor
from handpose.pack.command import main as pack
from handpose.pack.job import list_packs

HANDS = tuple(f"dataset.num_{split}=16" for split in ("train", "val", "test"))
SETTINGS = ("trainer=debug", "dataset.image_size=32", *HANDS)


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """told(command, *arguments) -> what it prints on the cache of this test."""

    def run(command: Callable[[list[str]], None], *arguments: str) -> list[str]:
        capsys.readouterr()
        try:
            command([*SETTINGS, f"paths.cache={tmp_path}", *arguments])
        except SystemExit as end:
            return [*capsys.readouterr().out.splitlines(), f"exit {end.code}"]
        return capsys.readouterr().out.splitlines()

    return run


def test_packs_are_built_listed_used_checked_and_deleted(
    told: Callable[..., list[str]],
    train: Callable[..., Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    logging.getLogger("handpose").setLevel(logging.INFO)
    assert told(pack, "--list") == [f"{tmp_path}/packed: no packs"]
    lines = told(pack, "head=regression")
    assert len(lines) == 5
    assert lines[0].startswith(
        "pretrain, synthetic, train: 16 hands, 96 x 96 px raw, 442,368 bytes"
    )
    folders = [Path(line.rpartition(", ")[2]) for line in lines]
    assert {folder.parent for folder in folders} == {tmp_path / "packed"}
    caplog.clear()
    assert told(pack, "head=regression") == lines
    assert not [line for line in caplog.messages if line.startswith("packing")]
    listed = told(pack, "--list", "objective=none")
    assert sum(line.endswith("(not used with these overrides)") for line in listed) == 2
    run_dir = train(*SETTINGS, f"paths.cache={tmp_path}", "report=false")
    log = (run_dir / "train.log").read_text()
    assert all(str(folder) in log for folder in folders)

    out = f"--out={tmp_path / 'doctor'}"
    assert told(doctor, "--packed", out)[-1] == "exit 0"
    with (folders[1] / "pixels.bin").open("r+b") as file:
        file.write(b"\xff\xfe\xfd")
    *lines, code = told(doctor, "--packed", out)
    assert code == "exit 1"
    (found,) = [line for line in lines if "corrupt" in line and "Samples" not in line]
    assert "synthetic, val: corrupt, block 0 of 1 (hands 0 to 15) has another checksum" in found
    assert f"handpose pack --delete {folders[1].name}" in found
    assert told(pack, "--delete", folders[1].name) == [f"deleted {folders[1]}"]
    assert f"{folders[1]}: synthetic, val: not packed; `handpose pack` packs it" in told(
        doctor, "--packed", out
    )


def test_jpeg_is_packed_for_runs_that_say_so(
    told: Callable[..., list[str]], tmp_path: Path
) -> None:
    assert told(pack, "dataset.pack_format=jpeg", "objective=none") == ["exit 1"]
    options = ("dataset.pack_format=jpeg", "dataset.packed=true", "objective=none")
    (line, *_) = told(pack, *options)
    assert line.startswith("finetune, synthetic, train: 16 hands, 96 x 96 px JPEG, ")


def test_a_wrong_command_line_is_refused(
    told: Callable[..., list[str]], capsys: pytest.CaptureFixture[str], caplog: Any
) -> None:
    assert told(pack, "dataset.packd=true") == ["exit 1"]
    assert told(pack, "dataset.packed=maybe") == ["exit 1"]
    assert told(pack, "--delete", "0123")[-1].startswith("exit")


def test_all_packs_are_listed_without_opening_a_dataset(
    told: Callable[..., list[str]], tmp_path: Path
) -> None:
    told(pack, "objective=none")
    lines = list(list_packs(None, tmp_path / "packed"))
    assert len(lines) == 3
    assert all(line.endswith(" bytes") for line in lines)
