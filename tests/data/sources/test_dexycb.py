"""DexYCB in its official layout: setups, sides, cameras, and frames without a hand."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from layouts import rendered, save_picture
from layouts_dexycb import camera, hand_of, seen_by, sequence_name, write_dexycb, write_labels
from mirrored import assert_same_crop_and_pose

from handpose.data.base import SPLITS, MissingSplitError
from handpose.data.index.problems import BrokenDataError
from handpose.data.sources.dexycb import DexYcb
from handpose.data.sources.dexycb_setups import SEQUENCES, SERIALS, SETUPS, SUBJECTS, splits_of
from handpose.geometry.camera import project
from handpose.skeleton import MANO_ORDER


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "dexycb"
    write_dexycb(root)
    return root


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Callable[..., DexYcb]:
    def make(split: str = "train", **changes: Any) -> DexYcb:
        cache = tmp_path / "cache" if "root" in changes else root.parent / "cache"
        return DexYcb(
            **dict(root=str(root), cache=str(cache), image_size=64, split=split) | changes
        )

    return make


def test_both_sides_come_with_their_camera_and_joints(load: Callable) -> None:
    train = load()
    assert train.index.counts["frames without a hand, left out"] == 2 * 3 * 2
    assert train.index.counts["sequences that are not on this disk"] == 2 * 97
    assert len(train) == 2 * 2 * 2 * 2
    sides = set()
    for index in range(len(train)):
        sample = train[index]
        subject, sequence, serial, name = sample.key.removeprefix("dexycb/").split("/")
        place = next(i for i in range(SEQUENCES) if sequence_name(i) == sequence)
        hand = hand_of(SUBJECTS.index(subject), place, int(name[6:12]), sample.side == "left")
        assert sample.image.shape == (480, 640, 3)
        assert np.abs(sample.K - camera(serial)).max() < 1e-4
        assert np.abs(sample.xyz - hand.xyz).max() < 1e-6
        assert np.abs(project(sample.K, sample.xyz) - sample.uv).max() < 1e-2
        sides.add(sample.side)
    assert sides == {"left", "right"}


def test_frames_of_all_cameras_are_one_pose_and_a_sequence_is_one_group(load: Callable) -> None:
    train = load(setup="s1")
    names = [train.image_name(i).split("/") for i in range(len(train))]
    poses = {(subject, sequence, frame) for subject, sequence, _, frame in names}
    assert len(set(train.identities)) == len(poses) == len(train) // 2
    assert len(set(train.capture_groups)) == len({tuple(name[:2]) for name in names}) == 6


def official(setup: str, split: str) -> tuple[set[int], set[int], set[int]]:
    """The places of subjects, serials and sequences, as the toolkit lists them."""
    everyone, cameras, sequences = range(10), range(8), range(100)
    if setup == "s0":
        subjects = {"train": everyone, "val": [0, 1], "test": [2, 3, 4, 5, 6, 7, 8, 9]}[split]
        sequences = [i for i in range(100) if (i % 5 == 4) == (split != "train")]
    elif setup == "s1":
        subjects = {"train": [0, 1, 2, 3, 4, 5, 9], "val": [6], "test": [7, 8]}[split]
    elif setup == "s2":
        subjects = everyone
        cameras = {"train": [0, 1, 2, 3, 4, 5], "val": [6], "test": [7]}[split]
    else:
        subjects = everyone
        objects = {"val": (3, 19), "test": (7, 11, 15)}
        wanted = objects.get(split, [i for i in range(20) if i not in (3, 7, 11, 15, 19)])
        sequences = [i for i in range(100) if i // 5 in wanted]
    return set(subjects), set(cameras), set(sequences)


@pytest.mark.parametrize("setup", SETUPS)
def test_setups_are_those_of_the_toolkit(setup: str) -> None:
    every = np.array(list(product(range(10), range(8), range(100))))
    found = splits_of(setup, subject=every[:, 0], serial=every[:, 1], sequence=every[:, 2])
    for number, split in enumerate(SPLITS):
        expected = set(product(*official(setup, split)))
        assert {tuple(row) for row in every[found == number].tolist()} == expected


@pytest.mark.parametrize("setup", SETUPS)
def test_the_splits_of_a_part_of_the_data_are_the_official_ones(setup: str, load: Callable) -> None:
    counted = 0
    for split in SPLITS:
        subjects, cameras, sequences = official(setup, split)
        try:
            dataset = load(split, setup=setup)
        except MissingSplitError:
            continue
        for index in range(len(dataset)):
            subject, sequence, serial, _ = dataset.image_name(index).split("/")
            place = next(i for i in range(SEQUENCES) if sequence_name(i) == sequence)
            assert SUBJECTS.index(subject) in subjects
            assert SERIALS.index(serial) in cameras
            assert place in sequences
        counted += len(dataset)
    assert counted == 24, "each hand is in one split"


def test_one_index_serves_all_setups(load: Callable) -> None:
    first = load().index.arrays.folder
    built = {path: path.stat().st_mtime_ns for path in first.iterdir()}
    for setup in SETUPS:
        assert load(setup=setup).index.arrays.folder == first
    assert built == {path: path.stat().st_mtime_ns for path in first.iterdir()}


def test_a_subject_in_part_has_no_place_in_setups_that_count(
    load: Callable, tmp_path: Path
) -> None:
    write_dexycb(tmp_path / "d", subjects=(0,), sequences=5)
    for setup in ("s0", "s3"):
        with pytest.raises(ValueError, match=rf"setup={setup}: .*-01 has 5 .* all 100.*s1, s2"):
            load(root=str(tmp_path / "d"), setup=setup)
    assert len(load(root=str(tmp_path / "d"), setup="s1")) == 12
    with pytest.raises(ValueError, match="choose s0, s1, s2, s3"):
        load(setup="s4")


def test_our_own_cut_is_by_sequence(load: Callable) -> None:
    train, val = (load(split, setup="s1", val_sequences=0.34) for split in ("train", "val"))
    assert len(train) + len(val) == 24
    assert not set(train.capture_groups) & set(val.capture_groups)
    assert train.cut_groups
    assert not load(setup="s1").cut_groups


@pytest.mark.parametrize("seed", [2001, 2011])
def test_a_hand_and_its_mirror_image_are_the_same_crop_and_pose(
    seed: int, load: Callable, tmp_path: Path, make_settings: Callable
) -> None:
    """Before one camera whose axis is in the middle."""
    pair = []
    K = np.array([[600.0, 0, 319.5], [0, 600.0, 239.5], [0, 0, 1]])
    for is_left in (False, True):
        root = tmp_path / ("left" if is_left else "right")
        write_dexycb(root, subjects=(0,), places=(0,), serials=(0,), frames=1)
        place = f"calibration/intrinsics/{SERIALS[0]}_640x480.yml"
        color = {"fx": 600.0, "fy": 600.0, "ppx": 319.5, "ppy": 239.5}
        (root / place).write_text(yaml.safe_dump({"color": color}))
        folder = root / SUBJECTS[0] / sequence_name(0)
        meta = yaml.safe_load((folder / "meta.yml").read_text())
        meta["mano_sides"] = ["left" if is_left else "right"]
        (folder / "meta.yml").write_text(yaml.safe_dump(meta))
        hand = rendered(seed, 224)
        image, uv = seen_by(hand, K, (640, 480))
        xyz = hand.xyz
        if is_left:
            image, xyz = image[:, ::-1], xyz * [-1, 1, 1]
            uv = np.column_stack((639 - uv[:, 0], uv[:, 1]))
        save_picture(folder / SERIALS[0] / "color_000001.jpg", np.ascontiguousarray(image))
        write_labels(folder / SERIALS[0] / "labels_000001.npz", xyz, uv)
        pair.append(load(root=str(root), cache=str(root) + "-cache")[0])
    assert_same_crop_and_pose(pair, make_settings)


MISTAKES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "OpenGL's frame": (lambda xyz: xyz * [1, -1, -1], "z is negative: .* OpenGL"),
    "millimetres": (lambda xyz: 1000 * xyz, "xyz is in millimetres"),
    "MANO's order": (lambda xyz: xyz[np.argsort(MANO_ORDER)], "MANO's and HO-3D's"),
    "relative": (lambda xyz: xyz - xyz[:1], "relative to a joint"),
    "y up": (lambda xyz: xyz * [1, -1, 1], "y points up"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_frame_unit_or_order_is_refused_with_its_cause(
    mistake: str, load: Callable, tmp_path: Path
) -> None:
    change, reason = MISTAKES[mistake]
    write_dexycb(tmp_path / "d", places=(0, 2))
    for path in (tmp_path / "d").rglob("labels_*.npz"):
        with np.load(path) as labels:
            xyz, uv = labels["joint_3d"][0], labels["joint_2d"][0]
        if (xyz != -1).any():
            uv = uv[np.argsort(MANO_ORDER)] if mistake == "MANO's order" else uv
            write_labels(path, change(xyz), uv)
    with pytest.raises(BrokenDataError, match=reason):
        load(root=str(tmp_path / "d"))


def test_swapped_sides_are_refused(load: Callable, tmp_path: Path) -> None:
    write_dexycb(tmp_path / "d", places=(0, 1))
    for path in (tmp_path / "d").rglob("meta.yml"):
        path.write_text(path.read_text().replace("right", "left"))
    with pytest.raises(BrokenDataError, match="left and right are swapped"):
        load(root=str(tmp_path / "d"))
