"""What is found in a folder: counts, measures, and every bad file, though a training refuses it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts_coco import write_coco

from handpose.data.base import HandDataset, Split
from handpose.data.sources.coco import Coco
from handpose.data.sources.synthetic import Synthetic
from handpose.doctor.findings import examine
from handpose.doctor.measures import overview, spread
from handpose.doctor.sources import Source


def _break(root: Path) -> None:
    """A cut picture and a broken annotation."""
    picture = root / "training" / "rgb" / "00000003.jpg"
    picture.write_bytes(picture.read_bytes()[:-2000])
    xyz = json.loads((root / "training_xyz.json").read_text())
    xyz[1][4][0] = float("nan")
    (root / "training_xyz.json").write_text(json.dumps(xyz))


def test_a_healthy_folder(root: Path, make_source: Callable[..., Source]) -> None:
    facts, drawn = examine(make_source(root), reference_bone="index")
    counts = {s.split: (s.hands, s.num_images, s.poses, s.left) for s in facts.splits}
    assert counts == {"train": (12, 12, 6, 0), "val": (4, 4, 2, 0), "test": (4, 4, 4, 0)}
    assert all(s.labelled_2d == s.labelled_3d == s.cameras == s.hands for s in facts.splits)
    for split in facts.splits:
        assert split.measures.projection_max == pytest.approx(0, abs=1e-3)
        assert 0.85 < (split.measures.in_box or 0) <= 1
        assert 70 < (split.measures.bone or 0) < 110
    assert (facts.findings, facts.missing, facts.is_fatal) == ((), {}, False)
    assert {one.split for one in drawn} == {"train", "val", "test"}
    assert all(one.image.shape == (400, 400, 3) for one in drawn)


def test_bad_files_are_named_and_the_rest_is_looked_at(
    root: Path, make_source: Callable[..., Source]
) -> None:
    _break(root)
    facts, drawn = examine(make_source(root), reference_bone="index")
    assert not facts.is_fatal
    assert {finding.file for finding in facts.refused} == {
        "training_xyz.json#1",
        "training/rgb/00000003.jpg",
    }
    reasons = " ".join(finding.reason for finding in facts.findings)
    assert "joint 4" in reasons
    assert "cut short" in reasons
    # The annotation takes both of its versions along.
    assert sum(split.hands for split in facts.splits if split.split != "test") == 16 - 2 - 1
    assert drawn


def test_what_the_quarantine_knows_is_left_out_knowingly(
    root: Path, tmp_path: Path, make_source: Callable[..., Source]
) -> None:
    _break(root)
    known = tmp_path / "known.csv"
    known.write_text("file,reason\ntraining_xyz.json#1,NaN\n")
    facts, _ = examine(make_source(root, str(known)), reference_bone="index")
    assert [finding.file for finding in facts.refused] == ["training/rgb/00000003.jpg"]
    assert len(facts.findings) == 2


def test_a_cut_annotation_file_is_fatal_and_named(
    root: Path, make_source: Callable[..., Source]
) -> None:
    path = root / "training_K.json"
    path.write_text(path.read_text()[:-40])
    facts, drawn = examine(make_source(root), reference_bone="index")
    assert facts.is_fatal
    assert (facts.splits, drawn) == ((), [])
    (finding,) = facts.refused
    assert finding.file == "training_K.json"
    assert "cut short" in finding.reason


def test_a_dataset_without_a_hand_is_fatal_and_says_what_was_left_out(tmp_path: Path) -> None:
    write_coco(tmp_path / "coco", train=2, test=0)
    file = tmp_path / "coco" / "labels.json"
    content = json.loads(file.read_text())
    for record in content["annotations"]:
        record["keypoints"] = [1.0, 1.0, 2] * 17
    for category in content["categories"]:
        category["keypoints"] = category["keypoints"][:17]
    file.write_text(json.dumps(content))

    def open_split(split: Split, quarantine: str | None) -> HandDataset:
        return Coco(split=split, root=tmp_path / "coco", cache=tmp_path / "cache")

    facts, _ = examine(Source("dataset", "coco", open_split, {}), reference_bone="index")
    assert facts.is_fatal
    (finding,) = facts.refused
    assert "holds no hand that can be used" in finding.reason
    assert "annotations of 17 keypoints, not 21, left out: 2" in finding.reason


def test_a_setting_that_cannot_be_used_is_fatal_and_named(
    root: Path, make_source: Callable[..., Source]
) -> None:
    facts, _ = examine(make_source(root, "nowhere.csv"), reference_bone="index")
    assert facts.is_fatal
    assert "dataset.quarantine=nowhere.csv" in facts.findings[0].reason


def test_a_missing_split_is_no_error(root: Path, make_source: Callable[..., Source]) -> None:
    for path in root.glob("evaluation_*.json"):
        path.unlink()
    facts, _ = examine(make_source(root), reference_bone="index")
    assert list(facts.missing) == ["test"]
    assert [split.split for split in facts.splits] == ["train", "val"]


def test_a_picture_that_went_bad_after_the_index_was_built(
    root: Path, make_source: Callable[..., Source]
) -> None:
    source = make_source(root)
    path = root / "training" / "rgb" / "00000003.jpg"
    examine(source, reference_bone="index")
    path.write_bytes(b"")  # in place: the folder's own time stays
    facts, _ = examine(source, reference_bone="index")
    (finding,) = facts.gone_bad
    assert finding.file == "training/rgb/00000003.jpg"
    assert facts.refused == []


def test_a_source_without_an_index(tmp_path: Path) -> None:
    def open_split(split: Split, quarantine: str | None) -> HandDataset:
        return Synthetic(
            root=str(tmp_path),
            num_train=8,
            num_val=3,
            num_test=2,
            render_size=48,
            orientation="frontal",
            seed=0,
            split=split,
            image_size=32,
        )

    source = Source("dataset", "synthetic", open_split, {"root": str(tmp_path)})
    facts, drawn = examine(source, reference_bone="middle")
    assert [split.hands for split in facts.splits] == [8, 3, 2]
    dataset = open_split("train", None)
    assert facts.splits[0].left == sum(dataset[i].side == "left" for i in range(8)) > 0
    assert {one.side for one in drawn} == {"left", "right"}


def test_both_sides_are_looked_at_however_rare_one_is() -> None:
    is_left = np.zeros(1000, dtype=bool)
    is_left[777] = True
    places = spread(is_left, 8)
    assert places.tolist() == [0, 332, 665, 777, 999]
    assert spread(np.zeros(3, dtype=bool), 8).tolist() == [0, 1, 2]


def test_the_real_samples_have_both_sides(real_samples: Path, tmp_path: Path) -> None:
    from handpose.data.sources.interhand import InterHand
    from handpose.data.sources.mpii import MpiiHands

    common = dict(cache=str(tmp_path), split="train", image_size=64)
    interhand = InterHand(root=str(real_samples / "interhand"), annotations="all", **common)
    assert sorted(overview(interhand).is_left) == [False, True]
    parts = [
        overview(
            MpiiHands(
                root=str(real_samples / "mpii"), val_fraction=0.5, **{**common, "split": part}
            )
        )
        for part in ("train", "val")
    ]
    assert sum(part.has_uv.sum() for part in parts) == 4
    assert not any(part.has_xyz.any() or part.has_camera.any() for part in parts)
