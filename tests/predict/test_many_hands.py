"""Several hands of images and videos: their tracks, an image without any, and how a job ends."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from handpose.detect.base import Detection
from handpose.media.inputs import find_input
from handpose.media.video import open_video
from handpose.media.video_writer import VideoWriter
from handpose.predict import Given
from handpose.predict.locating import by_detector
from handpose.predict.output_files import Style
from handpose.predict.output_records import SCHEMA

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


def detect_bright(image: np.ndarray) -> list[Detection]:
    """A hand about each bright square."""
    mask = (image.min(axis=2) > 200).astype(np.uint8)
    _, _, stats, centres = cv2.connectedComponentsWithStats(mask)
    return [
        Detection(
            np.array([*centre, 40.0], np.float32),
            "left" if centre[0] < 160 else "right",
            0.8,
            np.full((21, 2), np.nan, np.float32),
        )
        for stat, centre in zip(stats[1:], centres[1:], strict=True)
        if stat[cv2.CC_STAT_AREA] > 50
    ]


@pytest.fixture
def two_squares(tmp_path: Path) -> Path:
    """Two bright squares that move apart for 22 frames; in the last six there is one."""
    path = tmp_path / "squares.mp4"
    with VideoWriter(path, 25) as video:
        for number in range(22):
            image = np.full((120, 320, 3), 60, np.uint8)
            image[40:60, 100 - 2 * number : 120 - 2 * number] = 250
            if number < 16:
                image[50:70, 200 + 3 * number : 220 + 3 * number] = 250
            video.write(image)
    return path


def frames_of(path: Path) -> dict[int, list[dict[str, Any]]]:
    frames: dict[int, list[dict[str, Any]]] = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        VALIDATOR.validate(record)
        frames.setdefault(record["frame"], []).append(record)
    return frames


@pytest.mark.parametrize("every", [1, 4])
def test_two_hands_of_a_video_keep_their_tracks(
    make_job: Callable, two_squares: Path, every: int
) -> None:
    calls = []

    def counted(image: np.ndarray) -> list[Detection]:
        calls.append(image)
        return detect_bright(image)

    job = make_job(find=by_detector(counted, Given()), batch_size=8, every=every)
    done = job.run(find_input(str(two_squares)))
    assert len(calls) == (22 if every == 1 else 3 + 3 + 3)  # 0, 4, 7 of 8; 0, 4, 5 of 6
    assert (done.written, done.skipped) == (22, 0)
    frames = frames_of(job.work.folder / "squares.jsonl")
    for number in range(15):
        sides = {hand["side"]: hand for hand in frames[number]}
        assert (sides["left"]["track"], sides["right"]["track"]) == (0, 1) or number > 0
        assert sides["left"]["track"] == frames[0][0]["track"]
        assert sides["left"]["box_px"][0] == pytest.approx(109.5 - 2 * number, abs=1)
        assert sides["right"]["box_px"][0] == pytest.approx(209.5 + 3 * number, abs=1)
        assert sides["left"]["time_s"] == pytest.approx(number / 25)
    assert [len(frames[number]) for number in range(18, 22)] == [1] * 4
    with open_video(job.work.folder / "squares.mp4") as video:
        assert len(list(video.frames)) == 22


def test_images_without_a_hand_are_written_without_one(
    make_job: Callable, tmp_path: Path, two_squares: Path
) -> None:
    (tmp_path / "in").mkdir()
    with open_video(two_squares, limit=1) as video:
        (frame,) = video.frames
    cv2.imwrite(str(tmp_path / "in" / "two.png"), frame.image[..., ::-1])
    grey = np.full((120, 320, 3), 60, np.uint8)
    cv2.imwrite(str(tmp_path / "in" / "none.png"), grey)
    job = make_job(find=by_detector(detect_bright, Given()), style=Style(is_list=True))
    done = job.run(find_input(str(tmp_path / "in")))
    assert (done.written, done.hands) == (2, 2)
    assert json.loads((job.work.folder / "none.json").read_text()) == []
    assert [h["side"] for h in json.loads((job.work.folder / "two.json").read_text())] == [
        "left",
        "right",
    ]
    drawn = cv2.imread(str(job.work.folder / "none.jpg"))
    assert np.abs(drawn.astype(int) - 60).max() < 6, "nothing is drawn"


def test_an_error_of_the_detector_ends_the_job(make_job: Callable, two_squares: Path) -> None:
    def failing(image: np.ndarray) -> list[Detection]:
        calls.append(1)
        if len(calls) == 12:
            raise RuntimeError("the detector is broken")
        return detect_bright(image)

    calls: list[int] = []
    before = threading.active_count()
    job = make_job(find=by_detector(failing, Given()), batch_size=4)
    with pytest.raises(RuntimeError, match="the detector is broken"):
        job.run(find_input(str(two_squares)))
    assert threading.active_count() == before
    with open_video(job.work.folder / "squares.mp4") as video:
        assert 4 <= len(list(video.frames)) <= 8, "what came before it plays"


def test_a_window_that_is_closed_stops_the_job(make_job: Callable, two_squares: Path) -> None:
    shown: list[np.ndarray] = []

    def show(drawing: np.ndarray) -> bool:
        shown.append(drawing)
        return len(shown) == 5

    job = make_job(find=by_detector(detect_bright, Given()), show=show, style=Style(draws=False))
    done = job.run(find_input(str(two_squares)))
    assert (done.written, done.is_stopped, len(shown)) == (5, True, 5)
    assert not (job.work.folder / "squares.mp4").exists()
    assert len(frames_of(job.work.folder / "squares.jsonl")) == 5


def test_ctrl_c_ends_with_a_video_that_plays(
    make_job: Callable, two_squares: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[np.ndarray] = []

    def show(drawing: np.ndarray) -> bool:
        shown.append(drawing)
        if len(shown) == 7:
            raise KeyboardInterrupt
        return False

    before = threading.active_count()
    done = make_job(find=by_detector(detect_bright, Given()), show=show).run(
        find_input(str(two_squares))
    )
    assert done.is_stopped
    assert "stopped" in capsys.readouterr().out
    assert threading.active_count() == before
    with open_video(two_squares.parent / "out" / "squares.mp4") as video:
        assert len(list(video.frames)) == 7
