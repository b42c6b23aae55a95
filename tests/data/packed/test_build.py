"""What may go wrong while crops are packed, and after: nothing of it goes unseen."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import packs_slowly
import pytest
from layouts import write_freihand
from network_guard import python_path
from packs_slowly import COUNT, SETTINGS, SIZES
from pictures import Pictures

from handpose.augment.reach import reach_of
from handpose.data import unreadable
from handpose.data.index.problems import BrokenDataError
from handpose.data.packed import build, plan
from handpose.data.packed.blocks import Blocks
from handpose.data.packed.folder import delete, find_packs
from handpose.data.packed.opening import build_pack, with_pack
from handpose.data.packed.pack import PIXELS, Pack, corrupt_parts, find_fault
from handpose.data.sources.freihand import FreiHand

REACH = reach_of([SETTINGS], 64)
ENVIRONMENT = os.environ | {"PYTHONPATH": python_path(*sys.path)}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two crops."""
    monkeypatch.setattr(plan, "_BLOCK_BYTES", 2 * 60 * 80 * 3)
    monkeypatch.setattr(build, "num_cores", lambda: 1)


@pytest.fixture
def packed_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The blocks that are packed from here on."""
    rows: list[int] = []
    cut = Blocks.__getitem__

    def counted(own: Blocks, row: int) -> Any:
        rows.append(own.numbers[row])
        return cut(own, row)

    monkeypatch.setattr(Blocks, "__getitem__", counted)
    return rows


def pictures(pack_format: str = "raw", **options: Any) -> Pictures:
    return Pictures(SIZES, image_size=64, packed=True, pack_format=pack_format, **options)


def content(pack: Pack) -> dict[str, bytes]:
    files = (path for path in sorted(pack.folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(pack.folder)): path.read_bytes() for path in files}


def start(folder: Path, pack_format: str, seconds: float) -> subprocess.Popen:
    script = packs_slowly.__file__
    command = [sys.executable, script, str(folder), pack_format, str(seconds)]
    return subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True)


def is_running(group: int) -> bool:
    """Whether any process of a group is there that is not a zombie."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, own = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(own) == group and state != "Z":
            return True
    return False


def wait(until: Callable[[], bool], what: str) -> None:
    for _ in range(1200):
        if until():
            return
        time.sleep(0.05)
    raise AssertionError(what)


@pytest.mark.parametrize("pack_format", ["raw", "jpeg"])
def test_after_kill_9_what_was_packed_is_kept(
    pack_format: str, tmp_path: Path, packed_rows: list[int]
) -> None:
    process = start(tmp_path / "killed", pack_format, 0.1)
    listed: list[Path] = []

    def has_some() -> bool:
        listed[:] = (tmp_path / "killed").glob(".*/journal.jsonl")
        return bool(listed) and len(listed[0].read_text().splitlines()) > 4

    wait(has_some, "nothing is packed")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait(lambda: not is_running(process.pid), "its workers outlive it")
    done = [json.loads(line) for line in listed[0].read_text().splitlines()[1:]]
    assert 3 < len(done) < COUNT // 2
    with listed[0].open("a") as file:
        file.write('{"number": 19, "chec')  # the line that the kill cut short
    assert [found.state for found in find_packs(tmp_path / "killed")] == ["unfinished"]
    pack = build_pack(pictures(pack_format), REACH, tmp_path / "killed")
    assert packed_rows == list(range(len(done), COUNT // 2))
    whole = build_pack(pictures(pack_format), REACH, tmp_path / "whole")
    assert content(pack) == content(whole)
    assert [found.state for found in find_packs(tmp_path / "killed")] == ["complete"]


@pytest.mark.parametrize("pack_format", ["raw", "jpeg"])
def test_a_block_that_changed_since_is_packed_again(
    pack_format: str, tmp_path: Path, packed_rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build, "_finish", stops)
        with pytest.raises(KeyboardInterrupt):
            build_pack(pictures(pack_format), REACH, tmp_path)
    (unfinished,) = tmp_path.glob(".*.partial")
    lengths = [json.loads(line)["lengths"] for line in _journal(unfinished)]
    flip(unfinished / PIXELS, sum(map(sum, lengths[:7])) + 5)
    packed_rows.clear()
    pack = build_pack(pictures(pack_format), REACH, tmp_path)
    assert packed_rows == ([7] if pack_format == "raw" else list(range(7, COUNT // 2)))
    assert list(filter(None, corrupt_parts(pack))) == []


def _journal(unfinished: Path) -> list[str]:
    return (unfinished / "journal.jsonl").read_text().splitlines()[1:]


def flip(path: Path, place: int) -> None:
    """Flips one bit."""
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 4]))


def test_two_processes_end_with_one_pack(tmp_path: Path) -> None:
    both = [start(tmp_path, "raw", 0.02) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert [found.state for found in find_packs(tmp_path)] == ["complete"]
    pack = build_pack(pictures(), REACH, tmp_path)
    assert list(filter(None, corrupt_parts(pack))) == []
    for index, sample in enumerate(pictures().samples):
        assert np.array_equal(pack.image(index), REACH.crop(sample).image)


@pytest.mark.parametrize("pack_format", ["raw", "jpeg"])
def test_a_disk_that_is_too_small_is_refused_before(
    pack_format: str, tmp_path: Path, packed_rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = build.expected_bytes(
        pictures(pack_format), plan.make_plan(pictures(pack_format), REACH, pack_format)
    )
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    text = rf"{tmp_path}: the disk has {needed - 1:,} bytes free, and this pack needs {needed:,} "
    with pytest.raises(ValueError, match=text):
        build_pack(pictures(pack_format), REACH, tmp_path)
    assert packed_rows == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed))
    pack = build_pack(pictures(pack_format), REACH, tmp_path)
    assert 0.8 * needed < pack.num_bytes <= needed


def test_a_disk_that_fills_up_keeps_what_was_packed(
    tmp_path: Path, packed_rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compressed crops have no size to reserve; the error names the file."""
    add, calls = build._Journal.add, itertools.count()

    def full(own: Any, block: Any) -> None:
        if next(calls) == 6:
            raise OSError(28, "No space left on device")
        add(own, block)

    with monkeypatch.context() as patch:
        patch.setattr(build._Journal, "add", full)
        with pytest.raises(OSError, match="No space left") as caught:
            build_pack(pictures("jpeg"), REACH, tmp_path)
    assert str(tmp_path) in caught.value.__notes__[0]
    packed_rows.clear()
    build_pack(pictures("jpeg"), REACH, tmp_path)
    assert packed_rows == list(range(6, COUNT // 2))


@pytest.mark.parametrize("pack_format", ["raw", "jpeg"])
def test_a_flipped_bit_is_found_with_its_block_and_hands(pack_format: str, tmp_path: Path) -> None:
    pack = build_pack(pictures(pack_format), REACH, tmp_path)
    assert list(corrupt_parts(pack)) == [None] * (COUNT // 2 + 1)
    block = pack.blocks[5]
    flip(pack.folder / PIXELS, block.start + block.num_bytes // 2)
    (found,) = filter(None, corrupt_parts(pack))
    assert found == "block 5 of 20 (hands 10 to 11) has another checksum"
    flip(pack.folder / "hands" / "affine.npy", 300)
    assert next(corrupt_parts(pack)) == "affine.npy has another checksum"


def test_a_cut_pack_is_set_aside_and_built_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pack = build_pack(pictures(), REACH, tmp_path)
    whole = content(pack)
    with (pack.folder / PIXELS).open("r+b") as file:
        file.truncate(1000)
    assert find_fault(pack.folder) == "pixels.bin has 1,000 bytes, and 576,000 are expected"
    with pytest.raises(ValueError, match=r"ends before byte .*handpose pack --delete"):
        pack.image(3)
    source = Pictures(SIZES, image_size=64)
    assert with_pack(source, REACH, tmp_path) is source
    assert "is corrupt" in caplog.text
    assert content(build_pack(pictures(), REACH, tmp_path)) == whole
    assert sorted(found.state for found in find_packs(tmp_path)) == ["complete", "corrupt"]
    assert len(delete(tmp_path, pack.folder.name)) == 2
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="no pack abc; handpose pack --list"):
        delete(tmp_path, "abc")


def test_all_unreadable_images_are_named_at_once(
    tmp_path: Path, packed_rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreadable, "_PAUSES", (0, 0))
    monkeypatch.setattr(plan, "_BLOCK_BYTES", 1)
    write_freihand(tmp_path / "root", annotations=4, versions=2, evaluation=0)
    options = dict(root=str(tmp_path / "root"), cache=str(tmp_path / "cache"), packed=True)
    source = FreiHand(**options, split="train", image_size=64, val_fraction=0.25, box_side=0.7)
    paths = [source.root / source.image_name(index) for index in range(len(source))]
    kept = [paths[place].read_bytes() for place in (1, 4)]
    paths[1].write_bytes(kept[0][:-200])
    paths[4].unlink()
    with pytest.raises(BrokenDataError, match="2 images cannot be packed") as caught:
        build_pack(source, REACH, tmp_path / "packs")
    names = [str(path.relative_to(source.root)) for path in (paths[1], paths[4])]
    assert [problem.file for problem in caught.value.problems] == names
    assert "cut short" in caught.value.problems[0].reason
    assert str(tmp_path) not in caught.value.problems[0].reason
    assert packed_rows == list(range(len(source)))
    paths[1].write_bytes(kept[0])
    paths[4].write_bytes(kept[1])
    packed_rows.clear()
    build_pack(source, REACH, tmp_path / "packs")
    assert packed_rows == list(range(1, len(source)))


def test_an_image_of_another_size_than_the_index_says_is_named(tmp_path: Path) -> None:
    source = pictures()
    plain = source.samples[3]
    source.without_pixels = lambda index: Pictures.without_pixels(  # type: ignore[method-assign]
        pictures(), index
    )
    source.samples[3] = plain._replace(image=plain.image[:50])
    with pytest.raises(BrokenDataError, match=r"003\.png: 80 x 50 px, and the index says 80 x 60"):
        build_pack(source, REACH, tmp_path)
