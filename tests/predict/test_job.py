"""Whole inputs: what is written, what is left out, and what is said of it."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from handpose.media.frames import Frame
from handpose.media.inputs import find_input
from handpose.predict import Given
from handpose.predict.output_files import Style, image_outputs
from handpose.predict.output_records import SCHEMA
from handpose.predict.output_records import record as hand_record

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
GIVEN = Given(box=(60.0, 45.0, 60.0), K=np.array([[150, 0, 60], [0, 150, 45], [0, 0, 1]]))


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
