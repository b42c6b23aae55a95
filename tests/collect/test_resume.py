"""A killed collection resumes to the same files, byte for byte; another one is refused."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from collected import contents, summary
from network_guard import python_path

from handpose.collect import command, source_parts

ROOT = Path(__file__).resolve().parents[2]
PART_SECONDS = 12
# Short parts; kill -9 in the nth call of one function.
_PROGRAM = f"""
import os, signal, sys
from handpose.collect import collection, command, source_parts
source_parts._PART_SECONDS = {PART_SECONDS}
target, left = sys.argv.pop(1), int(sys.argv.pop(1))
def killing(function):
    def call(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call
if target == "detect":
    collection.is_seen = killing(collection.is_seen)
elif target == "image":
    collection.write_jpeg = killing(collection.write_jpeg)
elif target == "replace":
    from pathlib import Path
    Path.replace = killing(Path.replace)
sys.argv[0] = "collect"
command.main()
"""


def run(clip: Path, out: Path, target: str = "", nth: int = 0) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    command = [sys.executable, "-c", _PROGRAM, target, str(nth), str(clip), str(out)]
    return subprocess.run(
        [*command, "--model", "wild_video:detect"],
        env=os.environ | {"PYTHONPATH": python_path(path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def whole(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a collection that was never killed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_parts, "_PART_SECONDS", PART_SECONDS)
        command.main([str(clip), str(out), "--model", "wild_video:detect"])
    return contents(out)


# Of about 48 hands, 35 images, and the replaced files: description, 5 parts, 3 tables, summary.
KILLS = {
    "detect": (1, 12, 40),
    "image": (1, 20),
    "replace": (1, 2, 6, 7, 9, 10),
}


def _kills(slow: bool) -> list:
    every = [(target, nth) for target, numbers in KILLS.items() for nth in numbers]
    quick = [("detect", 40)]
    chosen = [kill for kill in every if kill not in quick] if slow else quick
    return [pytest.param(*kill, marks=[pytest.mark.slow] * slow) for kill in chosen]


@pytest.mark.parametrize(("target", "nth"), _kills(False) + _kills(True))
def test_a_killed_collection_resumes_to_the_same_files(
    target: str, nth: int, clip: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed = run(clip, out, target, nth)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (out / "collection.json").exists()
    has_part = any((out / ".collect").glob("parts/*.jsonl"))
    done = run(clip, out)
    assert done.returncode == 0, done.stderr
    assert ("frames are done, resuming" in done.stderr) == has_part
    files = contents(out)
    partials = [name for name in files if name.endswith(".partial")]
    assert not partials
    assert files == whole


@pytest.mark.slow
def test_one_that_is_killed_again_and_again_gets_there(
    clip: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    codes = []
    while not codes or codes[-1]:
        codes.append(run(clip, tmp_path / "out", "detect", 17).returncode)
        assert len(codes) < 12
    assert len(codes) > 2
    assert contents(tmp_path / "out") == whole


def test_a_finished_one_says_so_and_changes_nothing(
    clip: Path, tmp_path: Path, collect: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    collect(clip, tmp_path / "out")
    before = contents(tmp_path / "out")
    capsys.readouterr()
    collect(clip, tmp_path / "out")
    assert f"{tmp_path / 'out'} is finished:" in capsys.readouterr().out
    assert contents(tmp_path / "out") == before
    assert not [name for name in before if "parts" in name]


def test_another_collection_is_refused_with_the_difference(
    clip: Path, tmp_path: Path, collect: Callable
) -> None:
    collect(clip, tmp_path / "out", "--every", "5")
    before = contents(tmp_path / "out")
    with pytest.raises(SystemExit, match=r"(?s)other options:\n  --every: 5.0 -> 4.0\n"):
        collect(clip, tmp_path / "out", "--every", "4")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "clip.mp4").write_bytes(clip.read_bytes()[:-1])
    with pytest.raises(SystemExit, match="input files: 1 with names and sizes of digest"):
        collect(tmp_path / "more" / "clip.mp4", tmp_path / "out", "--every", "5")
    assert contents(tmp_path / "out") == before
    assert summary(tmp_path / "out")["counts"]["frames read"] == 12


def test_a_folder_with_other_files_is_refused(
    clip: Path, tmp_path: Path, collect: Callable
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(SystemExit, match="has files, and none of them of a collection"):
        collect(clip, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]
