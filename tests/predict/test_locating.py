"""Where the hands of frames are: by a detector, a table, or moved between two frames."""

import json
from pathlib import Path

import numpy as np
import pytest

from handpose.detect.base import Detection
from handpose.media.frames import Frame
from handpose.predict.hand import Given
from handpose.predict.locating import Located, by_detector, by_table, located

NO_UV = np.full((21, 2), np.nan, np.float32)


def frame(number: int | None, source: str = "clip.mp4", size: tuple[int, int] = (90, 120)) -> Frame:
    image = np.full((*size, 3), number or 0, np.uint8)
    return Frame(source, number, image, None if number is None else number / 10)


def detection(u: float, v: float = 40.0, side: str = "right", size: float = 30.0) -> Detection:
    return Detection(np.array([u, v, size], np.float32), side, 0.75, NO_UV)


def test_a_detector_gives_boxes_sides_and_scores() -> None:
    found = [detection(30), detection(80, side="left"), detection(130), detection(9, size=0.5)]
    find = by_detector(lambda image: found, Given(scale=0.09, box=(1.0, 2.0, 3.0)))
    (hands,) = find([frame(0)])
    assert [(one.box, one.side, one.score) for one in hands] == [
        ((30.0, 40.0, 30.0), "right", 0.75),
        ((80.0, 40.0, 30.0), "left", 0.75),
    ], "one off the image and one without a size are left out"
    assert {one.scale for one in hands} == {0.09}
    (hands,) = by_detector(lambda image: found, Given(side="left"))([frame(0)])
    assert {one.side for one in hands} == {"left"}, "what the caller knows comes first"


def test_a_table_lists_hands_of_images_and_of_frames(tmp_path: Path) -> None:
    rows = "image,side,box_u,box_v,box_side,frame\na/b.jpg,left,10,20,30,\na/b.jpg,,40,20,30,\n"
    (tmp_path / "boxes.csv").write_text(rows + "clip.mp4,right,7,8,9,2\n")
    lines = [
        {"image": "a/b.jpg", "side": "left", "box": [10, 20, 30]},
        {"image": "a/b.jpg", "box": [40, 20, 30]},
        {"image": "clip.mp4", "side": "right", "box": [7, 8, 9], "frame": 2},
    ]
    (tmp_path / "boxes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for name in ("boxes.csv", "boxes.jsonl"):
        find, names = by_table(tmp_path / name, Given())
        assert names == {"a/b.jpg", "clip.mp4"}
        both, none, second, first = find(
            [frame(None, "a/b.jpg"), frame(None, "b.jpg"), frame(2), frame(1)]
        )
        assert [(one.box, one.side) for one in both] == [
            ((10, 20, 30), "left"),
            ((40, 20, 30), None),
        ]
        assert (none, first) == ([], [])
        assert [one.box for one in second] == [(7, 8, 9)]


def test_every_wrong_row_of_a_table_is_named(tmp_path: Path) -> None:
    lines: list[dict] = [
        {"image": "a.jpg", "side": "both"},
        {"side": "left"},
        {"image": "a.jpg", "box": [1, 2]},
        {"image": "a.jpg", "box": [1, 2, -3]},
        {"image": "a.jpg", "frame": 1.5},
        {"image": "a.jpg", "bbox": [1, 2, 3, 4]},
    ]
    (tmp_path / "boxes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(ValueError, match="its rows cannot be used") as refusal:
        by_table(tmp_path / "boxes.jsonl", Given())
    told = str(refusal.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in told] == [
        f"boxes.jsonl#{n}" for n in range(1, 7)
    ]
    assert "did you mean box" in told[-1]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("image,box_u,box_v", "the column box_side is missing beside box_u, box_v"),
        ("box_u,box_v,box_side", "the column image is missing"),
    ],
)
def test_a_missing_column_is_named_once(tmp_path: Path, names: str, told: str) -> None:
    (tmp_path / "boxes.csv").write_text(f"{names}\n" + "1,2,3\n" * 3)
    with pytest.raises(ValueError, match="its rows cannot be used") as refusal:
        by_table(tmp_path / "boxes.csv", Given())
    (line,) = str(refusal.value).splitlines()[1:]
    assert told in line


def moving(frames: list[Frame]) -> list[list[Given]]:
    """A hand that moves by 3 px a frame, and one in the frames from 7 on."""
    return [
        [Given((20 + 3.0 * f.number, 40.0 + f.number, 30.0), side="left", score=f.number / 10)]
        + [Given((100.0, 80.0, 20.0), side="right")] * (f.number >= 7)
        for f in frames
    ]


@pytest.mark.parametrize("every", [1, 3, 5, 50])
def test_boxes_between_two_frames_move_evenly(every: int) -> None:
    asked: list[int | None] = []

    def find(frames: list[Frame]) -> list[list[Given]]:
        asked.extend(f.number for f in frames)
        return moving(frames)

    batches = list(located(map(frame, range(10)), find, batch_size=10, every=every))
    (batch,) = batches
    assert asked == sorted({*range(0, 10, every), 9})
    for number, item in enumerate(batch):
        assert isinstance(item, Located)
        assert item.frame.number == number
        assert np.allclose(item.given[0].box, (20 + 3 * number, 40 + number, 30))
        assert item.given[0].side == "left"
    hands = [len(item.given) for item in batch]
    nearest = [min(asked, key=lambda key: (abs(key - n), -key)) for n in range(10)]
    assert hands == [1 + (key >= 7) for key in nearest], "in one of the two: from the nearer frame"


def test_reasons_keep_their_place_and_bad_hands_do_not_stop_others() -> None:
    missing = ValueError("b.jpg: cannot be read")
    items = [frame(None, "a.jpg"), missing, frame(None, "c.jpg", (8, 120)), frame(None, "d.jpg")]

    def find(frames: list[Frame]) -> list[list[Given]]:
        assert [f.source for f in frames] == ["a.jpg", "c.jpg", "d.jpg"]
        return [[], [], [Given((500.0, 0.0, 20.0)), Given((50.0, 40.0, 20.0))]]

    (batch,) = located(iter(items), find, batch_size=4)
    assert isinstance(batch[0], Located)
    assert batch[0].given == []
    assert batch[1] is missing
    assert "c.jpg: too small" in str(batch[2])
    assert [one.box for one in batch[3].given] == [(50.0, 40.0, 20.0)]
    assert "d.jpg: the box's centre (500, 0) is outside" in str(batch[4])
    assert list(located(iter([]), find, batch_size=2)) == []
    assert list(located(iter([missing]), lambda frames: [], batch_size=2)) == [[missing]]
