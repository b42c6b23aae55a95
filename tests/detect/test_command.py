"""`handpose detect`: its files, its summary, and what it refuses."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from handpose.detect import command
from handpose.media.video import open_video
from handpose.media.video_writer import VideoWriter

MODULE = """
import numpy as np
from handpose.detect.base import Detection

def bright(image):
    '''A hand for each image that is not black: as high as the image, without landmarks.'''
    height, width = image.shape[:2]
    if image.max() < 128:
        return []
    return [Detection([width / 2, height / 2, height], "left", 0.75, None)]

def wrong(image):
    return [1]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two bright images, a black one, one that is none, a video; and a detector beside them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_hands", raising=False)
    (tmp_path / "my_hands.py").write_text(MODULE)
    images = tmp_path / "images" / "sub"
    images.mkdir(parents=True)
    for name, level in {"a.png": 255, "sub/b.png": 200, "c.png": 0}.items():
        cv2.imwrite(str(images.parent / name), np.full((40, 60, 3), level, np.uint8))
    (images.parent / "d.png").write_bytes(b"none")
    return tmp_path


def detect(*options: str) -> None:
    command.main(["--model", "my_hands:bright", *options])


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_image_has_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detect("images", "--recursive", "--to", "out/hands.jsonl", "--draw", "drawn")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("skipped: images/d.png: not an image")
    assert printed[1] == "out/hands.jsonl: 3 images, 2 hands, 1 image without a hand, 1 skipped"
    a, c, b = lines(folder / "out" / "hands.jsonl")
    place = {"frame": None, "time": None, "width": 60, "height": 40}
    found = {"box": [30, 20, 40], "side": "left", "score": 0.75, "uv": None}
    assert a == {"image": "a.png", **place, "hands": [found]}
    assert b == a | {"image": "sub/b.png"}
    assert c == {"image": "c.png", **place, "hands": []}
    drawn = {
        path.relative_to(folder / "drawn").as_posix() for path in (folder / "drawn").rglob("*.*")
    }
    assert drawn == {"a.jpg", "c.jpg", "sub/b.jpg"}
    assert cv2.imread(str(folder / "drawn" / "c.jpg")).max() < 20
    assert cv2.imread(str(folder / "drawn" / "a.jpg")).min() < 60  # the rim of the box


def test_the_table_is_that_of_a_folder_s_boxes(folder: Path) -> None:
    detect("images", "--recursive", "--to", "hands.csv")
    with (folder / "hands.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["image", "box_u", "box_v", "box_side", "side"],
            ["a.png", "30.0", "20.0", "40.0", "left"],
            ["sub/b.png", "30.0", "20.0", "40.0", "left"],
        ]


def test_a_folder_takes_its_table(folder: Path) -> None:
    from handpose.data.sources.folder import Folder

    rng = np.random.default_rng(0)
    for number in range(12):
        image = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"n{number}.png"), image)
    (folder / "images" / "d.png").unlink()
    detect("images", "--to", "images/boxes.csv")
    contract = dict(cache=str(folder / "cache"), image_size=32, split="train")
    dataset = Folder(root=str(folder / "images"), boxes="boxes.csv", min_side=16, **contract)
    boxes = [dataset[index].box.tolist() for index in range(len(dataset))]
    assert len(boxes) >= 10
    assert [48.0, 32.0, 64.0] in boxes
    assert {dataset[index].side for index in range(len(dataset))} == {"left"}


def test_a_video_has_a_line_for_each_frame(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "videos").mkdir()
    with VideoWriter(folder / "videos" / "v.mp4", 10) as video:
        for level in (255, 0, 255, 255, 0, 0):
            video.write(np.full((48, 64, 3), level, np.uint8))
    detect("videos", "--draw", "drawn")
    assert "hands.jsonl: 6 frames, 3 hands, 3 frames without a hand" in capsys.readouterr().out
    found = lines(folder / "hands.jsonl")
    assert [len(line["hands"]) for line in found] == [1, 0, 1, 1, 0, 0]
    assert [(line["image"], line["frame"], line["time"]) for line in found[:2]] == [
        ("v.mp4", 0, 0.0),
        ("v.mp4", 1, 0.1),
    ]
    with open_video(folder / "drawn" / "v.mp4") as drawn:
        assert len(list(drawn.frames)) == 6
    detect("videos/v.mp4", "--every", "0.2", "--to", "some.csv")
    with (folder / "some.csv").open() as file:
        assert [row["frame"] for row in csv.DictReader(file)] == ["0", "2"]
    detect("videos/v.mp4", "--frames", "2", "--to", "first.jsonl")
    assert len(lines(folder / "first.jsonl")) == 2


def test_everything_that_is_wrong_is_named_at_once(folder: Path) -> None:
    options = ("images", "--to", "a.txt", "--min-score", "2", "--num-hands", "0", "--every", "-1")
    with pytest.raises(SystemExit) as refused:
        command.main([*options, "--draw", "images"])
    text = str(refused.value)
    for words in (
        "--model is missing",
        "--make-model",
        "ai.google.dev",
        "--to a.txt: give a .jsonl",
    ):
        assert words in text
    for words in (
        "--min-score 2.0: must be",
        "--num-hands 0: must",
        "--every -1.0: must",
        "--draw",
    ):
        assert words in text
    with pytest.raises(SystemExit, match=r"no/where: no such file.*\n.*--frames 0"):
        detect("no/where", "--frames", "0")
    with pytest.raises(SystemExit, match="INPUT is missing"):
        detect()


def test_a_mistake_of_the_detector_leaves_no_file(folder: Path) -> None:
    with pytest.raises(SystemExit, match=r"my_hands:wrong returned a hand that is 1"):
        command.main(["images", "--model", "my_hands:wrong"])
    with pytest.raises(SystemExit, match="no such model file"):
        command.main(["images", "--model", "hand_landmarker.task"])
    assert not list(folder.glob("*hands.jsonl*"))


def test_an_input_without_an_image_that_can_be_read_fails(folder: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        detect("images/d.png")
    assert ended.value.code == 1


def test_a_wrong_command_line_needs_no_torch(folder: Path) -> None:
    code = (
        "import sys; from handpose.detect.command import main\n"
        "try: main(['nowhere', '--model', 'x.task'])\n"
        "except SystemExit as error: assert 'no such file' in str(error)\n"
        "assert not {'torch', 'mediapipe'} & set(sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
