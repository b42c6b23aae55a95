"""Whole inputs: what is written, what is left out, and what is said of it."""

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from handpose.detect.base import Detection
from handpose.media.images import Frame
from handpose.media.inputs import find_input
from handpose.media.video import open_video
from handpose.media.video_writer import VideoWriter
from handpose.predict import Given
from handpose.predict.job import Job, Work
from handpose.predict.locating import by_detector, by_first_pass
from handpose.predict.output_files import Style, image_outputs
from handpose.predict.output_records import SCHEMA
from handpose.predict.output_records import record as hand_record

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
GIVEN = Given(box=(60.0, 45.0, 60.0), K=np.array([[150, 0, 60], [0, 150, 45], [0, 0, 1]]))


@pytest.fixture
def make_job(make_hand_pose: Callable, tmp_path: Path) -> Callable[..., Job]:
    """make_job(given, batch_size)"""

    def make(given: Given = GIVEN, batch_size: int = 2, **work: Any) -> Job:
        hand_pose = make_hand_pose()
        work = {"find": by_first_pass(hand_pose, given), **work}
        return Job(hand_pose, Work(folder=tmp_path / "out", batch_size=batch_size, **work))

    return make


def read(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_text())
    VALIDATOR.validate(record)
    return record


def test_the_schema_is_one_and_refuses_what_is_none(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    VALIDATOR.check_schema(VALIDATOR.schema)
    (hand,) = make_hand_pose().predict([picture], GIVEN)
    frame = Frame("a.png", None, picture)
    record = hand_record(frame, hand, 0)
    assert VALIDATOR.is_valid(record)
    for change in (
        {"uv_px": record["uv_px"][1:]},
        {"xyz_m": record["uv_px"]},
        {"side": "both"},
        {"assumed": ["something"]},
        {"extra": 1},
        {"camera_xyz_m": 0},
    ):
        assert not VALIDATOR.is_valid({**record, **change}), change
    assert not VALIDATOR.is_valid({k: v for k, v in record.items() if k != "assumed"})
    with pytest.raises(ValueError, match="JSON"):
        hand_record(frame, hand._replace(xyz=hand.xyz * np.nan), 0)


def test_a_corrupt_and_a_tiny_image_of_a_folder_are_skipped(
    make_job: Callable,
    picture: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "c.jpg", "e.webp", "same.png", "same.jpg"):
        cv2.imwrite(str(folder / name), picture[..., ::-1])
    (folder / "b_corrupt.jpg").write_bytes((folder / "c.jpg").read_bytes()[:300])
    cv2.imwrite(str(folder / "d_tiny.png"), picture[:3, :3])
    (folder / "notes.txt").write_text("not a picture")
    job = make_job()
    found = find_input(str(folder))
    assert found.others == 1
    done = job.run(found)
    assert done[:2] == (5, 2)
    told = [line for line in capsys.readouterr().out.splitlines() if "skipped" in line]
    assert len(told) == 2
    assert "b_corrupt.jpg: the JPEG is cut short" in told[0]
    assert "d_tiny.png: too small, 3 x 3 px" in told[1]
    assert "predicting: 7" in caplog.text
    stems = ("a", "c", "e", "same.png", "same.jpg")
    assert {path.name for path in job.work.folder.iterdir()} == {
        f"{stem}.{kind}" for stem in stems for kind in ("jpg", "json")
    }
    record = read(job.work.folder / "a.json")
    (hand,) = job.hand_pose.predict([picture], GIVEN)
    assert list(done.assumed) == hand.assumed == record["assumed"] != []
    assert record["source"] == "a.png"
    assert np.allclose(record["uv_px"], hand.uv, atol=1e-3)
    assert np.allclose(record["xyz_m"], hand.xyz, atol=1e-5)
    assert record["camera_xyz_m"] is None, "the scale was not given"


def test_the_drawn_picture_shows_the_joints_where_they_are(
    make_hand_pose: Callable, picture: np.ndarray, tmp_path: Path
) -> None:
    (hand,) = make_hand_pose().predict([picture], GIVEN)
    with image_outputs(tmp_path, ["a.png"], Style()) as outputs:
        outputs.write(Frame("a.png", None, picture), [hand])
    drawn = cv2.imread(str(tmp_path / "a.jpg")).astype(int)
    assert drawn.shape == (5 * 90, 5 * 120, 3), "enlarged to 512 px and more"
    plain = cv2.resize(picture, (600, 450), interpolation=cv2.INTER_CUBIC)[..., ::-1].astype(int)
    changed = np.abs(drawn - plain).max(2) > 60
    for u, v in (5 * hand.uv + 2).round().astype(int):
        assert changed[max(v - 3, 0) : v + 4, max(u - 3, 0) : u + 4].any()
    assert changed.mean() < 0.5


def test_a_video_becomes_a_video_and_a_line_a_frame(
    make_job: Callable, picture: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "clip.avi"
    movie = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12.0, (120, 90))
    for shift in range(5):
        movie.write(np.ascontiguousarray(np.roll(picture, shift, axis=1)[..., ::-1]))
    movie.release()
    job = make_job()
    assert job.run(find_input(str(path)))[:2] == (5, 0)
    lines = (job.work.folder / "clip.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for number, record in enumerate(records):
        VALIDATOR.validate(record)
        assert (record["frame"], record["source"]) == (number, "clip.avi")
    drawn = cv2.VideoCapture(str(job.work.folder / "clip.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert drawn.get(cv2.CAP_PROP_FPS) == pytest.approx(12)


def test_a_camera_ends_by_ctrl_c_and_keeps_what_was_seen(
    make_job: Callable,
    picture: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Camera:
        def __init__(self, place: int) -> None:
            self.left = 4

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def read(self) -> tuple[bool, np.ndarray]:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return True, picture[:-1, :-1]  # of odd size

        def get(self, key: int) -> float:
            return 0.0

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    job = make_job(batch_size=16)
    done = job.run(find_input("camera:0"))
    assert done.skipped == 0
    assert len((job.work.folder / "camera-0.jsonl").read_text().splitlines()) == done.written >= 3
    assert "stopped" in capsys.readouterr().out


def test_a_nested_folder_keeps_its_folders(
    make_job: Callable, picture: np.ndarray, tmp_path: Path
) -> None:
    for name in ("hand.png", "left/hand.png", "left/hand.bmp", "right/hand.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "in" / name), picture)
    job = make_job()
    assert job.run(find_input(str(tmp_path / "in"), recursive=True))[:2] == (4, 0)
    found = {p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.glob("out/**/*.json")}
    assert found == {"hand.json", "left/hand.png.json", "left/hand.bmp.json", "right/hand.json"}
    assert read(tmp_path / "out" / "right" / "hand.json")["source"] == "right/hand.png"


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
