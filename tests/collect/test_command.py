"""The command line: all mistakes at once, before anything is made."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wild_video
from filelock import FileLock

from handpose.detect.base import Detection


def test_all_mistakes_are_told_at_once(tmp_path: Path, collect: Callable) -> None:
    with pytest.raises(SystemExit) as ended:
        collect(tmp_path / "none.mp4", tmp_path / "out", "--every", "0", "--size", "9")
    told = str(ended.value)
    for words in (
        "none.mp4: no such file or folder",
        "--every 0: must be from",
        "--size 9: must be",
    ):
        assert words in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("wild_video:detct", "did you mean detect"),
        ("none.task", "none.task: "),
    ],
)
def test_a_wrong_detector_is_refused(
    model: str, words: str, clip: Path, tmp_path: Path, collect: Callable
) -> None:
    with pytest.raises(SystemExit, match=words):
        collect(clip, tmp_path / "out", model=model)
    assert not (tmp_path / "out").exists(), "the right one can collect into it"


def test_a_camera_and_a_folder_of_the_input_are_refused(
    clip: Path, tmp_path: Path, collect: Callable
) -> None:
    with pytest.raises(SystemExit, match="a camera cannot be collected from"):
        collect("0", tmp_path / "out")
    for out in (clip.parent, clip.parent / "out"):
        with pytest.raises(SystemExit, match="is a folder of the input"):
            collect(clip.parent, out, "--recursive")
    with pytest.raises(SystemExit, match="is a folder of the input"):
        collect(clip, clip.parent)


def test_a_folder_in_use_is_refused(clip: Path, tmp_path: Path, collect: Callable) -> None:
    (tmp_path / "out" / ".collect").mkdir(parents=True)
    with (
        FileLock(tmp_path / "out" / ".collect" / "lock"),
        pytest.raises(SystemExit, match="another process collects into it"),
    ):
        collect(clip, tmp_path / "out")


def test_an_interrupt_ends_it_with_a_message(
    clip: Path, tmp_path: Path, collect: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(image: np.ndarray) -> list[Detection]:
        raise KeyboardInterrupt

    before = threading.active_count()
    monkeypatch.setattr(wild_video, "detect", interrupted)
    with pytest.raises(SystemExit, match="stopped; the same command resumes"):
        collect(clip, tmp_path / "out")
    assert threading.active_count() == before


def test_a_full_disk_ends_it_with_a_message(
    clip: Path, tmp_path: Path, collect: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, image: np.ndarray) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("handpose.collect.collection.write_jpeg", full)
        with pytest.raises(SystemExit, match=r"(?s)No space left.*Make room on the disk"):
            collect(clip, tmp_path / "out")
    collect(clip, tmp_path / "out")


def test_a_detector_that_returns_something_else_is_told(
    clip: Path, tmp_path: Path, collect: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = wild_video.detect

    def wrong(image: np.ndarray) -> list[Detection]:
        return [hand._replace(side="both") for hand in right(image)]

    monkeypatch.setattr(wild_video, "detect", wrong)
    with pytest.raises(SystemExit, match="returned the side 'both'"):
        collect(clip, tmp_path / "out")
