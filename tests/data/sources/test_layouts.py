"""InterHand2.6M, the CMU hand labels, YouTube 3D Hands and manifests, as they are distributed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layouts import (
    rendered,
    write_interhand,
    write_manifest,
    write_mpii,
    write_youtube,
)

from handpose.data.base import HandDataset, MissingSplitError
from handpose.data.sources.interhand import InterHand
from handpose.data.sources.manifest import Manifest
from handpose.data.sources.mpii import MpiiHands
from handpose.data.sources.youtube import YouTube3D, load_regressor
from handpose.geometry.camera import project


@pytest.fixture
def open_it(tmp_path: Path) -> Callable[..., Any]:
    def make(kind: type[HandDataset], root: Path, split: str = "train", **settings: Any) -> Any:
        contract = dict(root=str(root), cache=str(tmp_path / "cache"), image_size=64, split=split)
        return kind(**contract | settings)

    return make


@pytest.mark.parametrize("layout", ["v0.0", "v1.0"])
def test_interhand_comes_into_the_camera_frame(
    layout: str, tmp_path: Path, open_it: Callable
) -> None:
    write_interhand(tmp_path / "d", layout=layout)
    train = open_it(InterHand, tmp_path / "d", annotations="all")
    assert train.index.layout == layout
    assert train.index.counts == {"images of interacting hands, left out": 6}
    assert len(train) == 8
    for index, sample in enumerate(train):
        truth = rendered(300 + index // 2, 96, is_left=index // 2 % 2 == 1)
        assert sample.side == ("left" if truth.is_left else "right")
        assert np.abs(sample.xyz - truth.xyz).max() < 1e-5
        assert np.abs(sample.uv - truth.uv).max() < 0.02
        assert sample.box[2] == pytest.approx(np.ptp(truth.uv, axis=0).max() + 8, abs=0.01)
        if index == 7:
            break
    assert len(open_it(InterHand, tmp_path / "d", "test", annotations="all")) == 8


@pytest.mark.parametrize("layout", ["v0.0", "v1.0"])
def test_interhand_annotations_of_humans_and_machines(
    layout: str, tmp_path: Path, open_it: Callable
) -> None:
    write_interhand(tmp_path / "d", layout=layout, splits=("train",))
    if layout == "v0.0":  # the folders differ on disk; here the machine's has fewer
        name = "InterHand2.6M_train_data.json"
        folder = tmp_path / "d/InterHand2.6M.annotations.5.fps"
        content = json.loads((folder / "machine_annot" / name).read_text())
        content["annotations"] = content["annotations"][1::2]
        (folder / "machine_annot" / name).write_text(json.dumps(content))
    keys = {
        kind: {sample_key(d, i) for i in range(len(d))}
        for kind in ("all", "human", "machine")
        for d in [open_it(InterHand, tmp_path / "d", annotations=kind)]
    }
    assert len(keys["machine"]) == 4
    assert keys["machine"] < keys["all"]
    if layout == "v1.0":
        assert keys["human"] | keys["machine"] == keys["all"]
        assert not keys["human"] & keys["machine"]
    with pytest.raises(ValueError, match="choose all, human or machine"):
        open_it(InterHand, tmp_path / "d", annotations="both")


def sample_key(dataset: Any, index: int) -> str:
    return dataset[index].key


def test_interhand_respects_the_validity_of_joints(tmp_path: Path, open_it: Callable) -> None:
    write_interhand(tmp_path / "d", splits=("train",))
    path = tmp_path / "d/annotations/train/InterHand2.6M_train_data.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["joint_valid"][3] = [0]  # the right thumb's CMC
    path.write_text(json.dumps(content))
    sample = open_it(InterHand, tmp_path / "d", annotations="all")[0]
    assert np.flatnonzero(~sample.xyz_valid).tolist() == [1]
    assert np.flatnonzero(~sample.uv_valid).tolist() == [1]
    assert (sample.xyz[1] == 0).all()


def test_hand_labels_are_2d_with_a_flag(tmp_path: Path, open_it: Callable) -> None:
    write_mpii(tmp_path / "d")
    test = open_it(MpiiHands, tmp_path / "d", "test", val_fraction=0.2)
    assert [test[i].side for i in range(4)] == ["right", "left", "right", "left"]
    sample, truth = test[1], rendered(551, 128, is_left=True)
    assert np.abs(sample.uv - truth.uv)[:20].max() < 1e-3
    assert np.flatnonzero(~sample.uv_valid).tolist() == [20]
    assert not sample.xyz_valid.any()
    assert test.box_from_joints
    train, val = (open_it(MpiiHands, tmp_path / "d", s, val_fraction=0.2) for s in ("train", "val"))
    assert (len(train), len(val)) == (5, 1)


def test_youtube_takes_what_is_there_and_counts_the_rest(tmp_path: Path, open_it: Callable) -> None:
    regressor = write_youtube(tmp_path / "d")
    labelled = open_it(YouTube3D, tmp_path / "d", joint_regressor=str(regressor))
    plain = open_it(YouTube3D, tmp_path / "d", joint_regressor=None)
    assert len(labelled) == len(plain) == 3
    assert labelled.index.counts["frames that are not on this disk"] == 3
    assert (labelled.is_labelled, plain.is_labelled) == (True, False)
    sample, truth = labelled[0], rendered(601, 128, is_left=True)
    assert sample.side == "left"
    assert np.abs(sample.uv - truth.uv).max() < 1e-3
    assert np.abs(sample.xyz[:, :2] - truth.uv).max() < 1e-3
    assert np.array_equal(sample.K, np.eye(3))
    assert np.array_equal(plain[0].box, sample.box)
    assert not plain[0].uv_valid.any()


def test_a_regressor_is_never_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    np.save(tmp_path / "trap.npy", np.array([Trap()]), allow_pickle=True)
    torch.save(Trap(), tmp_path / "trap.pt")
    np.save(tmp_path / "small.npy", np.eye(16, 700))
    np.save(tmp_path / "sums.npy", 2 * np.eye(16, 778))
    for name in ("trap.npy", "trap.pt", "small.npy", "sums.npy", "missing.npy"):
        with pytest.raises(ValueError, match=f"dataset.joint_regressor=.*{name}"):
            load_regressor(tmp_path / name)
    assert not (tmp_path / "sprung").exists()
    torch.save(torch.eye(16, 778), tmp_path / "good.pt")
    assert load_regressor(tmp_path / "good.pt").shape == (16, 778)


def test_a_manifest_is_any_data(tmp_path: Path, open_it: Callable) -> None:
    write_manifest(tmp_path / "d")
    train = open_it(Manifest, tmp_path / "d", file="labels.jsonl", val_fraction=0.34)
    val = open_it(Manifest, tmp_path / "d", "val", file="labels.jsonl", val_fraction=0.34)
    assert (len(train), len(val)) == (2, 4)  # 6 pictures, each on the side of its own lot
    everything = open_it(Manifest, tmp_path / "d", file="labels.jsonl", val_fraction=0.0)
    full, flat, unboxed = (everything[i] for i in range(3))
    assert np.abs(project(full.K, full.xyz) - full.uv).max() < 0.05
    assert flat.uv_valid.all()
    assert not flat.xyz_valid.any()
    assert full.box.tolist() == [47.5, 47.5, 80.0]
    assert unboxed.box[:2] == pytest.approx(unboxed.uv.mean(0), abs=1e-3)
    assert everything.crops_by_labels, "of those without a box"


def test_a_manifest_with_a_box_in_each_row_is_cropped_without_labels(
    tmp_path: Path, open_it: Callable
) -> None:
    write_manifest(tmp_path / "d")
    labels = tmp_path / "d" / "labels.jsonl"
    rows = [json.loads(line) | {"box": [48, 48, 80]} for line in labels.read_text().splitlines()]
    labels.write_text("\n".join(map(json.dumps, rows)))
    boxed = open_it(Manifest, tmp_path / "d", file="labels.jsonl", val_fraction=0.0)
    assert not boxed.crops_by_labels


def test_a_manifest_as_a_table(tmp_path: Path, open_it: Callable) -> None:
    write_manifest(tmp_path / "d")
    rows = [json.loads(line) for line in (tmp_path / "d/labels.jsonl").read_text().splitlines()]
    header = ["image", "side", "split"]
    header += [f"{axis}{j}" for j in range(21) for axis in "uv"]
    header += [f"{axis}{j}" for j in range(21) for axis in "xyz"] + ["fx", "fy", "cx", "cy"]
    lines = [",".join(header)]
    for row in rows:
        K = row.get("K")
        camera = [K[0][0], K[1][1], K[0][2], K[1][2]] if K else [""] * 4
        points = [*np.ravel(row["uv"]), *np.ravel(row.get("xyz", [[""] * 3] * 21))]
        points[2:4] = ["", ""]  # joint 1 is unlabelled
        cells = [row["image"], row["side"], row["split"], *points, *camera]
        lines.append(",".join(map(str, cells)))
    (tmp_path / "d/labels.csv").write_text("\n".join(lines))
    table = open_it(Manifest, tmp_path / "d", "test", file="labels.csv", val_fraction=0.0)
    listed = open_it(Manifest, tmp_path / "d", "test", file="labels.jsonl", val_fraction=0.0)
    for one, other in zip((table[i] for i in range(3)), (listed[i] for i in range(3)), strict=True):
        assert np.flatnonzero(~one.uv_valid).tolist() == [1]
        assert np.abs(one.uv - other.uv)[one.uv_valid].max() < 1e-4
        assert np.array_equal(one.xyz, other.xyz)


def test_a_split_that_is_not_there(tmp_path: Path, open_it: Callable) -> None:
    write_interhand(tmp_path / "d", splits=("train",))
    with pytest.raises(MissingSplitError, match="no hand in the val split"):
        open_it(InterHand, tmp_path / "d", "val", annotations="all")
