"""HO-3D v2 and v3 in their official layout: frame, order, splits and captures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import rendered
from layouts_ho3d import SIDE, TRAIN, meta_of, write_ho3d, write_meta

from handpose.data.base import MissingSplitError
from handpose.data.index.problems import BrokenDataError
from handpose.data.index.safe_pickle import load_arrays
from handpose.data.sources.ho3d import Ho3d, capture, to_ours, to_theirs
from handpose.geometry.camera import project


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Ho3d]:
    def make(split: str = "train", **changes: Any) -> Ho3d:
        contract = dict(root=str(tmp_path / "d"), cache=str(tmp_path / "cache"), image_size=64)
        return Ho3d(split=split, **contract | dict(val_fraction=0.0, box_side=1.0) | changes)

    return make


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_joints_come_into_our_order_and_frame(version: str, load: Callable, tmp_path: Path) -> None:
    write_ho3d(tmp_path / "d", version=version)
    train, test = load(), load("test")
    assert train.index.layout == version
    assert train.index.counts == {"frames without joints or camera, left out": 4}
    assert (len(train), len(test)) == (12, 6)
    for dataset, first in ((train, 5000), (test, 5500)):
        for index in range(len(dataset)):
            sample, hand = dataset[index], rendered(first + 20 * (index // 3) + index % 3, SIDE)
            assert sample.side == "right"
            assert np.abs(sample.xyz - hand.xyz).max() < 1e-5
            assert np.abs(sample.K - hand.K).max() < 1e-4
            assert np.abs(sample.uv - hand.uv).max() < 0.02
            assert np.abs(project(sample.K, sample.xyz) - sample.uv).max() < 1e-2
            margin = 0 if dataset is train else 6  # an evaluation box is the frame's own
            side = np.ptp(hand.uv, axis=0).max() + margin
            middle = (hand.uv.min(axis=0) + hand.uv.max(axis=0)) / 2
            assert sample.box == pytest.approx([*middle, side], abs=0.05)


def test_without_the_published_joints_a_test_hand_has_its_wrist_alone(
    load: Callable, tmp_path: Path
) -> None:
    write_ho3d(tmp_path / "d", with_joints=False)
    sample = load("test")[4]
    assert np.flatnonzero(sample.xyz_valid).tolist() == [0]
    assert not sample.uv_valid.any()
    assert np.abs(sample.xyz[0] - rendered(5521, SIDE).xyz[0]).max() < 1e-5
    assert sample.K[0, 0] > 1
    assert sample.key == "ho3d/evaluation/AP12/rgb/0001.png#0"
    counts = load("test").index.counts
    assert counts["evaluation frames without joints (evaluation_xyz.json)"] == 6


def test_the_box_is_a_multiple_of_the_bounding_box(load: Callable, tmp_path: Path) -> None:
    write_ho3d(tmp_path / "d")
    one, larger = (load("test", box_side=side)[0].box for side in (1.0, 1.5))
    assert larger == pytest.approx(one * [1, 1, 1.5])


def test_cameras_of_a_capture_stay_together(load: Callable, tmp_path: Path) -> None:
    assert [capture(name) for name in ("ABF10", "ABF14", "SMu40", "SMu1", "MC1", "ND2")] == [
        *("ABF1", "ABF1", "SMu4", "SMu1", "MC1", "ND2")
    ]
    write_ho3d(tmp_path / "d")
    everything = load()
    assert len(set(everything.capture_groups)) == len(TRAIN) - 1
    sides = {}
    for split in ("train", "val"):
        dataset = load(split, val_fraction=0.4)
        sides[split] = {dataset.image_name(i).split("/")[1] for i in range(len(dataset))}
    assert sides["train"] | sides["val"] == set(TRAIN)
    assert not sides["train"] & sides["val"]
    assert any({"ABF10", "ABF11"} <= names for names in sides.values())
    same = {everything.image_name(i): everything.identities[i] for i in range(len(everything))}
    assert same["train/ABF10/rgb/0001.png"] == same["train/ABF11/rgb/0001.png"]
    assert same["train/ABF10/rgb/0001.png"] != same["train/ABF10/rgb/0002.png"]


def test_a_part_of_the_data_is_enough(load: Callable, tmp_path: Path) -> None:
    write_ho3d(tmp_path / "d")
    (tmp_path / "d/train/MC1").rename(tmp_path / "MC1")
    (tmp_path / "d/evaluation.txt").unlink()
    assert len(load()) == 9
    assert load().index.counts["frames of sequences that are not on this disk"] == 4
    with pytest.raises(MissingSplitError, match="no hand in the test split"):
        load("test")


def test_there_and_back() -> None:
    joints = np.random.default_rng(0).normal(size=(5, 21, 3))
    assert np.array_equal(to_theirs(to_ours(joints)), joints)
    assert not np.array_equal(to_ours(joints), joints)


MISTAKES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "camera frame": (lambda joints: joints * [1, -1, -1], "z is negative: .* OpenGL"),
    "z alone flipped": (lambda joints: joints * [1, 1, -1], "z is negative|on both sides"),
    "y alone flipped": (lambda joints: joints * [1, -1, 1], "fingers backwards"),
    "x flipped": (lambda joints: joints * [-1, 1, 1], "fingers backwards"),
    "our order": (
        lambda joints: to_ours(joints) * [1, -1, -1],
        "MANO's conversion, applied to joints that were in our order already",
    ),
    "millimetres": (lambda joints: 1000 * joints, "xyz is in millimetres"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_frame_unit_or_order_is_refused_with_its_cause(
    mistake: str, load: Callable, tmp_path: Path
) -> None:
    change, reason = MISTAKES[mistake]
    write_ho3d(tmp_path / "d", with_joints=False)
    for path in (tmp_path / "d/train").rglob("*.pkl"):
        meta = load_arrays(path)
        if meta["handJoints3D"] is not None:
            write_meta(path, meta | {"handJoints3D": change(meta["handJoints3D"])})
    with pytest.raises(BrokenDataError, match=reason):
        load()


def test_published_joints_of_another_order_are_refused(load: Callable, tmp_path: Path) -> None:
    write_ho3d(tmp_path / "d")
    path = tmp_path / "d/evaluation_xyz.json"
    path.write_text(json.dumps((-np.array(json.loads(path.read_text()))).tolist()))
    with pytest.raises(
        BrokenDataError, match=r"its wrist is \d+ mm away .* another order or frame"
    ):
        load("test")


def test_the_forgotten_conversion_is_refused(
    load: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the checks of labels: with OpenGL's frame or MANO's order left as they are."""
    write_ho3d(tmp_path / "d", with_joints=False)
    module = "handpose.data.sources.ho3d"
    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.FROM_OPENGL", np.ones(3))
        with pytest.raises(BrokenDataError, match=r"OpenGL's frame, it seems\. Negate y and z"):
            load()
    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.MANO_ORDER", tuple(range(21)))
        with pytest.raises(BrokenDataError, match="MANO's and HO-3D's"):
            load()
    assert len(load()) == 12


def test_meta_files_of_the_fixtures_are_those_that_pickle_reads(tmp_path: Path) -> None:
    import pickle

    meta = meta_of(rendered(5000, SIDE))
    write_meta(tmp_path / "a.pkl", meta)
    content = (tmp_path / "a.pkl").read_bytes()
    read = pickle.loads(content, encoding="latin1")
    assert np.array_equal(read["handJoints3D"], meta["handJoints3D"])
    assert read["objName"] == meta["objName"]
