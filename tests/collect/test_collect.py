"""What a collection holds, and that training reads it as it stands."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import wild_video
from collected import contents, rows, summary

from handpose.data.images import read_image
from handpose.data.positives.joint_files import read_predictions
from handpose.data.sources.folder import Folder
from handpose.data.sources.manifest import Manifest
from handpose.data.synthetic.render import RenderedHand

SECONDS = 60  # of the clip


def folder(out: Path, split: str = "train") -> Folder:
    contract = dict(root=str(out), cache=str(out.parent / "cache"), image_size=64)
    return Folder(split=split, boxes="boxes.csv", val_fraction=0.25, **contract)


def manifest(out: Path, split: str = "train") -> Manifest:
    contract = dict(root=str(out), cache=str(out.parent / "cache"), image_size=64)
    return Manifest(split=split, file="labels.jsonl", val_fraction=0.25, **contract)


@pytest.fixture(scope="module")
def collected(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from handpose.collect.command import main

    out = tmp_path_factory.mktemp("collected") / "out"
    main([str(clip), str(out), "--model", "wild_video:detect"])
    return out


def test_everything_is_counted(collected: Path) -> None:
    counts = summary(collected)["counts"]
    assert counts["frames read"] == SECONDS
    assert counts["frames without a hand"] == SECONDS / 5
    assert counts["hands found"] == SECONDS  # 1, 1, 2, 1, 0 in turn
    assert counts["hands found"] == counts["hands kept"] + counts["near-duplicates left out"]
    assert 9 <= counts["near-duplicates left out"] < 30, "at least those of resting hands"
    assert counts["hands with landmarks"] < counts["hands kept"]
    for name in ("boxes.csv", "labels.jsonl", "hands.csv"):
        assert len(rows(collected, name)) == counts["hands kept"]
    assert len(list((collected / "crops").rglob("*.jpg"))) == counts["hands kept"]


def test_crops_show_the_hands_at_their_joints(collected: Path) -> None:
    """Each crop, shifted back, is a rendered hand; its joints are where they were."""
    labelled = 0
    for label, found in zip(
        rows(collected, "labels.jsonl"), rows(collected, "hands.csv"), strict=True
    ):
        image = read_image(collected / label["image"])
        assert float(found["source_box_side"]) == pytest.approx(label["box"][2], abs=0.01)
        errors = {
            index: error
            for index, card in enumerate(wild_video.rendered_cards())
            if (error := _error(image, np.array(label["box"]), card)) is not None
        }
        index = min(errors, key=lambda index: errors[index])
        assert errors[index] < 14
        card = wild_video.rendered_cards()[index]
        assert card.side == label["side"]
        assert (label["uv"] is None) == (index % 5 == 0) == (float(found["score"]) == 0.4)
        if label["uv"] is not None:
            labelled += 1
            shift = np.array(label["box"][:2]) - card.box[:2]
            assert np.allclose(np.array(label["uv"], float), card.uv + shift, atol=0.02)
    assert labelled == summary(collected)["counts"]["hands with landmarks"]


def _error(image: np.ndarray, box: np.ndarray, card: RenderedHand) -> float | None:
    """Mean difference from a hand whose box is that large; None if it is not."""
    if not np.isclose(card.box[2], box[2], atol=0.02):
        return None
    left, top = (round(shift) for shift in (box[:2] - card.box[:2]).tolist())
    part = image[max(top, 0) : top + 120, max(left, 0) : left + 120]
    own = card.image[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]]
    part = part[: own.shape[0], : own.shape[1]]
    return float(np.abs(part.astype(int) - own)[10:-10, 10:-10].mean())


def test_it_is_a_folder_of_boxes(collected: Path) -> None:
    train, val = folder(collected), folder(collected, "val")
    assert len(train) + len(val) == len(rows(collected, "boxes.csv"))
    assert len(val) > 0
    by_key = {f"folder/{row['image']}#0": row for row in rows(collected, "boxes.csv")}
    for sample in [train[index] for index in range(len(train))]:
        row = by_key[sample.key]
        assert sample.box.tolist() == pytest.approx(
            [float(row[name]) for name in ("box_u", "box_v", "box_side")]
        )
        assert sample.side == row["side"]


def test_it_is_a_manifest_of_labels(collected: Path) -> None:
    train, val = manifest(collected), manifest(collected, "val")
    assert train.is_labelled
    assert set(train.capture_groups).isdisjoint(val.capture_groups)
    valid = np.concatenate([source.joints().valid for source in (train, val)])
    assert valid.all(axis=1).sum() == summary(collected)["counts"]["hands with landmarks"]
    assert set(folder(collected).capture_groups) == set(train.capture_groups)
    assert set(folder(collected, "val").capture_groups) == set(val.capture_groups)


def test_it_holds_the_joints_of_mined_positives(collected: Path) -> None:
    for split in ("train", "val"):
        source, labelled = folder(collected, split), manifest(collected, split)
        uv, found = read_predictions(str(collected), source)
        keys = [key.removeprefix("manifest/") for key in labelled.sample_keys()]
        places = [keys.index(key.removeprefix("folder/")) for key in source.sample_keys()]
        expected = labelled.joints()
        assert np.array_equal(uv, expected.uv[places])
        assert np.array_equal(found, expected.valid[places])
        assert found.any()


def test_one_video_is_cut_by_time_and_several_by_video(
    clip: Path, tmp_path: Path, collect: Callable
) -> None:
    videos = tmp_path / "videos" / "deep"
    videos.mkdir(parents=True)
    shutil.copy(clip, videos / "a.mp4")
    wild_video.write_wild_video(videos / "b.mp4", seconds=20, seed=1)
    collect(tmp_path / "videos", tmp_path / "out", "--recursive")
    assert {row["group"] for row in rows(tmp_path / "out", "boxes.csv")} == {
        "deep/a.mp4",
        "deep/b.mp4",
    }
    collect(videos / "a.mp4", tmp_path / "one")
    groups = [row["group"] for row in rows(tmp_path / "one", "boxes.csv")]
    assert groups == sorted(groups, key=lambda name: int(name.split()[-1]))
    assert len(set(groups)) >= 10
    assert len({sample for sample in folder(tmp_path / "one", "val").sample_keys()}) > 0


def test_whole_frames_keep_all_their_hands(clip: Path, tmp_path: Path, collect: Callable) -> None:
    collect(clip, tmp_path / "out", "--frames", "--size", "240")
    boxes = rows(tmp_path / "out", "boxes.csv")
    images = [row["image"] for row in boxes]
    assert images[0] == "frames/clip.mp4/000000000.jpg"
    assert 0 < len(boxes) - len(set(images)) < len(boxes) / 2
    assert read_image(tmp_path / "out" / images[0]).shape == (180, 240, 3)
    source = folder(tmp_path / "out")
    uv, found = read_predictions(str(tmp_path / "out"), source)
    for index, key in enumerate(source.sample_keys()):
        if key.endswith("#1") and found[index].all():
            sample = source[index]
            inside = np.abs(uv[index] - sample.box[:2]).max()
            assert inside < 0.75 * sample.box[2]
    with_time = {(row["image"], row["hand"]) for row in rows(tmp_path / "out", "hands.csv")}
    assert len(with_time) == len(boxes)


def test_images_are_collected_by_their_names(tmp_path: Path, collect: Callable) -> None:
    cards = wild_video.rendered_cards()
    for index in range(24):
        image = np.full((200, 260, 3), wild_video.BLUE, np.uint8)
        image[40:160, 30:150] = cards[index].image
        path = tmp_path / "images" / f"day{index // 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image[..., ::-1])
    (tmp_path / "images" / "day0" / "0.jpg").write_bytes(path.read_bytes()[:100])
    collect(tmp_path / "images", tmp_path / "out", "--recursive")
    boxes = rows(tmp_path / "out", "boxes.csv")
    assert len(boxes) == 24
    assert {row["group"] for row in boxes} == {f"day{day}" for day in range(12)}
    assert "crops/day0/0.png-0.jpg" in {row["image"] for row in boxes}, "as there is a 0.jpg"
    assert "crops/day11/23-0.jpg" in {row["image"] for row in boxes}
    ((file, reason),) = summary(tmp_path / "out")["problems"]
    assert file == "day0/0.jpg"
    assert "cannot read" in reason or "can read" in reason
    assert summary(tmp_path / "out")["counts"]["corrupt frames or images"] == 1


def test_one_frame_a_second_or_as_many_as_are_asked_for(
    clip: Path, tmp_path: Path, collect: Callable
) -> None:
    for every, frames in (("0.5", 120), ("7", 9)):
        collect(clip, tmp_path / every, "--every", every, "--min-change", "0")
        counts = summary(tmp_path / every)["counts"]
        assert counts["frames read"] == frames
        assert "near-duplicates left out" not in counts


def test_a_bad_video_is_named_and_the_rest_collected(
    clip: Path, tmp_path: Path, collect: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "a.mp4").write_text("not a video")
    shutil.copy(clip, videos / "b.mp4")
    collect(videos, tmp_path / "out")
    assert [file for file, _ in summary(tmp_path / "out")["problems"]] == ["a.mp4"]
    assert "left out: a.mp4: cannot be opened (" in capsys.readouterr().out
    assert {row["source"] for row in rows(tmp_path / "out", "hands.csv")} == {"b.mp4"}
    groups = {row["group"] for row in rows(tmp_path / "out", "boxes.csv")}
    assert len(groups) >= 10, "of the one video that is left"


def test_a_video_with_a_name_that_is_not_text_is_named(
    clip: Path, tmp_path: Path, collect: Callable
) -> None:
    (tmp_path / "videos").mkdir()
    shutil.copy(clip, tmp_path / "videos" / "a.mp4")
    shutil.copy(clip, os.fsencode(tmp_path / "videos") + b"/b\xff.mp4")
    collect(tmp_path / "videos", tmp_path / "out", "--every", "5")
    ((file, reason),) = summary(tmp_path / "out")["problems"]
    assert (file, reason) == ("b\\udcff.mp4", "its name is not UTF-8; rename it")
    assert {row["source"] for row in rows(tmp_path / "out", "hands.csv")} == {"a.mp4"}


def test_nothing_found_is_told(
    tmp_path: Path, collect: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "plain.png"), np.full((90, 90, 3), wild_video.BLUE[::-1], np.uint8))
    with pytest.raises(SystemExit) as ended:
        collect(tmp_path / "plain.png", tmp_path / "out")
    assert ended.value.code == 1
    assert "No hand was kept. Look at what is found" in capsys.readouterr().out
    assert summary(tmp_path / "out")["counts"] == {"frames read": 1, "frames without a hand": 1}


def test_the_same_collection_twice_is_the_same(
    clip: Path, collected: Path, tmp_path: Path, collect: Callable
) -> None:
    collect(clip, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(collected)
