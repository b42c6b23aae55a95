"""`handpose predict` with a detector and with a table of boxes, on images and a video."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import jsonschema
import numpy as np
import pytest

from handpose.media.video_writer import VideoWriter
from handpose.predict.output_records import SCHEMA

Script = Callable[..., str]


def write_pictures(folder: Path, count: int = 3) -> None:
    """Grey images, each with one bright square more than the one before."""
    folder.mkdir()
    for number in range(count):
        image = np.full((90, 240, 3), 60, np.uint8)
        for place in range(number):
            image[30:50, 40 + 90 * place : 60 + 90 * place] = 250
        cv2.imwrite(str(folder / f"{number}.png"), image)


DETECTOR = """
import cv2
import numpy as np
from handpose.detect.base import Detection

def find(image):
    mask = (image.min(axis=2) > 200).astype(np.uint8)
    _, _, _, centres = cv2.connectedComponentsWithStats(mask)
    return [Detection(np.array([u, v, 40]), "left" if u < 90 else "right", 0.9, None)
            for u, v in centres[1:]]
"""


def test_many_hands_in_all_formats(trained: Path, script: Script, tmp_path: Path) -> None:
    write_pictures(tmp_path / "in")
    (tmp_path / "bright_squares.py").write_text(DETECTOR)
    found = ("--detector", "bright_squares:find", "--format", "json,jsonl,csv,coco")
    said = script("predict", trained, "in/*.png", *found, "--min-confidence", 0.5)
    assert "predictions: 3 images with 3 hands, 0 skipped" in said
    there = tmp_path / "predictions"
    counts = [len(json.loads((there / f"{number}.json").read_text())) for number in range(3)]
    assert counts == [0, 1, 2]
    records = [json.loads(line) for line in (there / "predictions.jsonl").read_text().splitlines()]
    assert [(r["source"], r["side"]) for r in records] == [
        ("1.png", "left"), ("2.png", "left"), ("2.png", "right")
    ]  # fmt: skip
    for record in records:
        jsonschema.validate(record, json.loads(SCHEMA.read_text()))
        assert isinstance(record["is_low_confidence"], bool)
        assert record["score"] == 0.9
        assert {text.split(":")[0] for text in record["assumed"]} == {"camera", "scale"}
    assert len((there / "predictions.csv").read_text().splitlines()) == 4
    assert len(json.loads((there / "predictions.coco.json").read_text())["annotations"]) == 3
    assert len(list(there.glob("*.jpg"))) == 3


def test_boxes_of_a_table_are_those_of_the_detector(
    trained: Path, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "in")
    (tmp_path / "bright_squares.py").write_text(DETECTOR)
    rows = "image,box_u,box_v,box_side,side\n2.png,139.5,39.5,40,right\n2.png,49.5,39.5,40,left\n"
    (tmp_path / "boxes.csv").write_text(rows)
    monkeypatch.setattr("sys.stdin", io.StringIO("in/2.png\n"))
    quiet = ("--format", "jsonl", "--no-images")
    said = script("predict", trained, "-", "--boxes", "boxes.csv", *quiet, "--to", "a")
    assert "a: 1 image with 2 hands, 0 skipped" in said
    script("predict", trained, "in", "--detector", "bright_squares:find", *quiet, "--to", "b")
    by_table, by_detector = (
        sorted(
            (r["side"], r["uv_px"])
            for line in (tmp_path / folder / "predictions.jsonl").read_text().splitlines()
            if (r := json.loads(line))["source"] == "2.png"
        )
        for folder in ("a", "b")
    )
    for (side, uv), (other_side, other_uv) in zip(by_table, by_detector, strict=True):
        assert side == other_side
        assert np.allclose(uv, other_uv, atol=0.05)
    assert not list((tmp_path / "a").glob("*.jpg"))
    (tmp_path / "boxes.csv").write_text(rows.replace("2.png", "in/2.png"))
    with pytest.raises(SystemExit) as ended:
        script("predict", trained, "in", "--boxes", "boxes.csv")
    assert "names no file of INPUT; its paths are relative to in" in str(ended.value.code)


def test_a_video_becomes_one_that_browsers_play(
    trained: Path, script: Script, tmp_path: Path
) -> None:
    (tmp_path / "bright_squares.py").write_text(DETECTOR)
    with VideoWriter(tmp_path / "clip.mp4", 24) as video:
        for number in range(7):
            image = np.full((91, 240, 3), 60, np.uint8)
            image[30:50, 40 + 3 * number : 60 + 3 * number] = 250
            video.write(image)
    found = ("--detector", "bright_squares:find", "--smooth", "--batch-size", 4)
    said = script("predict", trained, "clip.mp4", *found)
    assert "predictions: 7 frames with 7 hands, 0 skipped" in said
    with av.open(str(tmp_path / "predictions" / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate, stream.frames) == ("h264", 24, 7)
    lines = (tmp_path / "predictions" / "clip.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [(r["frame"], r["track"], r["side"]) for r in records] == [
        (number, 0, "left") for number in range(7)
    ]
    assert [r["time_s"] for r in records] == [round(number / 24, 6) for number in range(7)]
