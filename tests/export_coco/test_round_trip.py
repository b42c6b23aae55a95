"""Predictions become a COCO file that tools and dataset=coco read back, joint by joint."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from layouts import save_picture
from layouts_coco import SIDE, pair

from handpose.data.sources.coco import Coco
from handpose.export_coco.command import main
from handpose.export_coco.read_predictions import frame_name
from handpose.media.frames import Frame
from handpose.predict.hand import Hand
from handpose.predict.output_records import record


def predicted(number: int) -> Hand:
    """A prediction that is the truth of a rendered hand."""
    truth = pair(1400, number)
    return Hand(
        uv=truth.uv,
        xyz=truth.xyz - truth.xyz[0],
        camera_xyz=None,
        box=np.array([45.5, 50.25, 70 + number]),
        side="left" if truth.is_left else "right",
        reference_bone="index",
        scale=0.09,
        assumed=[],
    )


def as_record(number: int, source: str, *, frame: int | None = None, hand: int = 0) -> dict:
    """The JSON of that prediction."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    return record(Frame(source, frame, image), predicted(number), hand)


def write_predictions(folder: Path, images: Path, count: int = 12) -> None:
    """As `handpose predict RUN IMAGES --to FOLDER` writes them."""
    (folder / "day1").mkdir(parents=True)
    for number in range(count):
        name = f"day1/{number}.png"
        save_picture(images / name, pair(1400, number).image)
        (folder / name).with_suffix(".json").write_text(json.dumps(as_record(number, name)))
        (folder / name).with_suffix(".jpg").write_bytes(b"a drawing")


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def run(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["handpose export-coco"])
        main(list(map(str, arguments)))

    return run


@pytest.fixture
def open_it(tmp_path: Path) -> Callable[..., Coco]:
    def make(**settings: Any) -> Coco:
        contract = dict(root=str(tmp_path / "d"), cache=str(tmp_path / "cache"), image_size=64)
        return Coco(**contract | dict(split="train", val_fraction=0.0) | settings)

    return make


def test_the_same_joints_side_and_box_come_back(
    tmp_path: Path,
    export: Callable,
    open_it: Callable,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_predictions(tmp_path / "p", tmp_path / "d")
    export(tmp_path / "p", "--to", tmp_path / "d/labels.json")
    assert capsys.readouterr().out == f"{tmp_path / 'd/labels.json'}: 12 images, 12 hands\n"
    dataset = open_it()
    samples = {sample.key: sample for sample in (dataset[i] for i in range(12))}
    for number in range(12):
        hand, sample = predicted(number), samples[f"coco/day1/{number}.png#0"]
        assert sample.side == hand.side
        assert np.abs(sample.uv - hand.uv).max() < 1e-3
        assert sample.uv_valid.all()
        assert sample.box.tolist() == hand.box.tolist()


def test_what_is_corrected_is_what_is_read(
    tmp_path: Path, export: Callable, open_it: Callable
) -> None:
    """A tool that keeps only COCO's own fields, and an annotator who moves a joint."""
    write_predictions(tmp_path / "p", tmp_path / "d", count=4)
    export(tmp_path / "p", "--to", tmp_path / "d/labels.json")
    content = json.loads((tmp_path / "d/labels.json").read_text())
    kept = ("id", "image_id", "category_id", "keypoints", "bbox", "iscrowd", "area")
    content["annotations"] = [{k: a[k] for k in kept} for a in content["annotations"]]
    content["annotations"][1]["keypoints"][3 * 8 : 3 * 9] = [50.5, 40.25, 2]
    content["annotations"][2]["keypoints"][3 * 4 : 3 * 5] = [0, 0, 0]
    (tmp_path / "d/labels.json").write_text(json.dumps(content))
    samples = {sample.key: sample for sample in (open_it()[i] for i in range(4))}
    assert samples["coco/day1/1.png#0"].side == "left"
    assert samples["coco/day1/1.png#0"].uv[8].tolist() == [50.5, 40.25]
    assert np.flatnonzero(~samples["coco/day1/2.png#0"].uv_valid).tolist() == [4]


def test_labels_are_in_px_of_the_image_as_shown(
    tmp_path: Path, export: Callable, open_it: Callable
) -> None:
    write_predictions(tmp_path / "p", tmp_path / "d", count=2)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # stored on its side
    image = PIL.Image.fromarray(pair(1400, 0).image)
    image.transpose(PIL.Image.Transpose.ROTATE_90).save(tmp_path / "d/day1/0.png", exif=exif)
    export(tmp_path / "p", "--to", tmp_path / "d/labels.json")
    with pytest.raises(ValueError, match=r"day1/0\.png: EXIF turns 1 image.*dataset\.upright=true"):
        open_it()
    sample = open_it(upright=True)[0]
    assert np.array_equal(sample.image, pair(1400, 0).image)
    assert np.abs(sample.uv - predicted(0).uv).max() < 1e-3


def test_frames_of_a_video_and_several_hands_of_an_image(tmp_path: Path, export: Callable) -> None:
    (tmp_path / "p").mkdir()
    lines = [as_record(k, "clip.mp4", frame=k // 2, hand=k % 2) for k in range(6)]
    (tmp_path / "p/clip.jsonl").write_text("\n".join(map(json.dumps, lines)))
    scores = {"score": 0.75, "confidence": 0.5, "joint_confidence": [0.25] * 21}
    own = [as_record(0, "a.jpg") | scores, as_record(1, "a.jpg", hand=1) | {"score": 0.75}]
    (tmp_path / "p/a.json").write_text(json.dumps(own))
    (tmp_path / "p/a.coco.json").write_text("{}")  # of predict --format coco
    (tmp_path / "p/predictions.jsonl").write_text("\n".join(map(json.dumps, own)))
    export(tmp_path / "p", "--to", tmp_path / "p/labels.json")
    export(tmp_path / "p", "--to", tmp_path / "p/labels.json")  # its own output is no input
    content = json.loads((tmp_path / "p/labels.json").read_text())
    names = [image["file_name"] for image in content["images"]]
    assert names == ["a.jpg", *(f"clip_{n:06d}.jpg" for n in range(3))]
    assert [a["image_id"] for a in content["annotations"]] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert [a.get("score") for a in content["annotations"][:3]] == [0.5, 0.75, None]
    assert content["annotations"][0]["keypoint_scores"] == [0.25] * 21
    assert frame_name("camera:0", 3) == "camera-0_000003.jpg"


@pytest.mark.parametrize("other", ["b/clip.mp4", "a/clip.avi"])
def test_frames_of_two_videos_of_one_name_are_not_one_image(
    other: str, tmp_path: Path, export: Callable
) -> None:
    (tmp_path / "p").mkdir()
    for place, source in enumerate(("a/clip.mp4", other)):
        lines = [as_record(2 * place + k, source, frame=k) for k in range(2)]
        (tmp_path / f"p/{place}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(
        SystemExit, match=rf"clip_000000\.jpg would be of a/clip\.mp4 and of {other}"
    ):
        export(tmp_path / "p", "--to", tmp_path / "labels.json")
    assert not (tmp_path / "labels.json").exists()


BROKEN = {
    "a.json": ("{", "Expecting property name"),
    "b.json": ("[3]", "it is not a JSON object"),
    "c.json": ('{"categories": []}', "the key 'source' is missing"),
    "d.jsonl": ('\n{"source": "x"}', "the key 'width' is missing"),
}


def test_what_is_no_prediction_is_named_all_at_once(tmp_path: Path, export: Callable) -> None:
    write_predictions(tmp_path / "p", tmp_path / "d", count=2)
    for name, (text, _) in BROKEN.items():
        (tmp_path / "p" / name).write_text(text)
    good = json.loads((tmp_path / "p/day1/0.json").read_text())
    for name, change in (
        ("e.json", {"side": "both"}),
        ("f.json", {"uv_px": [[1, 2]] * 20}),
        ("g.json", {"box_px": [1, None, 3]}),
        ("h.json", {"width": 9}),
    ):
        (tmp_path / "p" / name).write_text(json.dumps(good | change))
    with pytest.raises(SystemExit) as ended:
        export(tmp_path / "p", "--to", tmp_path / "labels.json")
    told = str(ended.value)
    for name, (_, reason) in BROKEN.items():
        place = f"{name}#2" if name == "d.jsonl" else name
        assert f"export-coco: {tmp_path / 'p' / place}: no prediction of a hand: {reason}" in told
    assert "side is 'both', not left or right" in told
    assert "20 x 2 numbers, where 21 x 2 are expected" in told
    assert "a number is not finite" in told
    assert "day1/0.png has another size than before" in told
    assert not (tmp_path / "labels.json").exists()


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("none", "x.json", "none: no such file or folder"),
        ("empty", "x.json", "empty: no predictions in this folder"),
        ("p", "empty", "this is a folder; name a file in it"),
    ],
)
def test_what_cannot_be_exported_is_said(
    source: str, target: str, reason: str, tmp_path: Path, export: Callable
) -> None:
    write_predictions(tmp_path / "p", tmp_path / "d", count=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match=reason):
        export(tmp_path / source, "--to", tmp_path / target)
