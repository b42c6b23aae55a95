"""The numbers in each format say the same; a frame without a hand is an empty list."""

import csv
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from handpose.media.frames import Frame
from handpose.predict.hand import Hand
from handpose.predict.output_files import Style, image_outputs, video_outputs, video_paths
from handpose.predict.output_records import COLUMNS, SCHEMA

ALL = ("json", "jsonl", "csv", "coco")


@pytest.fixture
def hands(make_hand_pose: Callable, picture: np.ndarray) -> list[Hand]:
    (hand,) = make_hand_pose().predict([picture])
    sure = hand._replace(
        side="left", score=0.875, confidence=0.5, joint_confidence=np.linspace(0, 1, 21)
    )
    return [hand._replace(confidence=None, joint_confidence=None), sure]


@pytest.fixture
def written(hands: list[Hand], picture: np.ndarray, tmp_path: Path) -> Path:
    style = Style(ALL, draws=False, is_list=True, min_confidence=0.25)
    with image_outputs(tmp_path, ["x/a.png", "b.png"], style) as outputs:
        outputs.write(Frame("x/a.png", None, picture), hands)
        outputs.write(Frame("b.png", None, picture), [])
    return tmp_path


def test_json_has_a_list_of_hands(written: Path, hands: list[Hand]) -> None:
    assert json.loads((written / "b.json").read_text()) == []
    records = json.loads((written / "x/a.json").read_text())
    schema = json.loads(SCHEMA.read_text())
    for number, (record, hand) in enumerate(zip(records, hands, strict=True)):
        jsonschema.validate(record, schema)
        assert (record["hand"], record["track"], record["time_s"]) == (number, None, None)
        assert np.allclose(record["uv_px"], hand.uv, atol=1e-3)
    assert records[0]["low_confidence_joints"] is None, "no confidence, nothing to mark"
    assert (records[1]["confidence"], records[1]["score"]) == (0.5, 0.875)
    assert records[1]["is_low_confidence"] is False
    assert records[1]["low_confidence_joints"] == [0, 1, 2, 3, 4]


def test_tables_have_the_same_numbers(written: Path) -> None:
    records = json.loads((written / "x/a.json").read_text())
    lines = (written / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == records
    with (written / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    for row, record in zip(rows, records, strict=True):
        assert (row["image"], row["side"], row["frame"]) == ("x/a.png", record["side"], "")
        assert [float(row[f"{a}20"]) for a in "uv"] == record["uv_px"][20]
        assert [float(row[f"{a}7_from_wrist_m"]) for a in "xyz"] == record["xyz_m"][7]
        assert [float(row[f"box_{a}"]) for a in ("u", "v", "side")] == record["box_px"]
    assert (rows[0]["confidence3"], float(rows[1]["confidence3"])) == ("", 0.15)


def test_coco_has_images_without_hands_as_well(written: Path, hands: list[Hand]) -> None:
    document = json.loads((written / "predictions.coco.json").read_text())
    assert [image["file_name"] for image in document["images"]] == ["x/a.png", "b.png"]
    assert len(document["annotations"]) == 2
    points = np.reshape(document["annotations"][0]["keypoints"], (21, 3))
    assert np.allclose(points[:, :2], hands[0].uv, atol=1e-3)


def test_a_video_has_a_file_for_each_format(
    hands: list[Hand], picture: np.ndarray, tmp_path: Path
) -> None:
    style = Style(("json", "jsonl", "csv"), draws=False)
    with video_outputs(tmp_path / "in" / "clip", Fraction(25), style) as outputs:
        for number in range(3):
            frame = Frame("in/clip.mp4", number, picture, number / 25)
            outputs.write(frame, [hand._replace(track=number) for hand in hands[number:]])
    assert {path.name for path in (tmp_path / "in").iterdir()} == {
        "clip.json", "clip.jsonl", "clip.csv"
    }  # fmt: skip
    records = json.loads((tmp_path / "in/clip.json").read_text())
    assert [(r["frame"], r["time_s"], r["track"]) for r in records] == [
        (0, 0.0, 0), (0, 0.0, 0), (1, 0.04, 1)
    ]  # fmt: skip
    with video_outputs(tmp_path / "empty", Fraction(25), style):
        pass
    assert json.loads((tmp_path / "empty.json").read_text()) == []


def test_videos_of_one_stem_keep_their_suffix(tmp_path: Path) -> None:
    paths = video_paths(tmp_path, ["a.mp4", "a.avi", "x/a.mp4"])
    assert paths == {
        "a.mp4": tmp_path / "a.mp4", "a.avi": tmp_path / "a.avi", "x/a.mp4": tmp_path / "x" / "a"
    }  # fmt: skip


def test_nothing_is_written_of_a_hand_that_is_not_finite(
    hands: list[Hand], picture: np.ndarray, tmp_path: Path
) -> None:
    bad = hands[0]._replace(xyz=hands[0].xyz * np.nan)
    style = Style(ALL, is_list=True)
    with (
        image_outputs(tmp_path, ["a.png"], style) as outputs,
        pytest.raises(ValueError, match="JSON"),
    ):
        outputs.write(Frame("a.png", None, picture), [hands[1], bad])
    assert (tmp_path / "predictions.jsonl").read_text() == ""
    assert not list(tmp_path.glob("a.*"))
