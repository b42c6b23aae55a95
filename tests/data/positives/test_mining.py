"""Partners by pose: the nearest that are permitted, as a slow search finds them."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labels import Labels, random_joints
from layouts import write_interhand

from handpose.data.base import HandDataset, Joints
from handpose.data.positives.mining import mine, nearest, pose_space
from handpose.data.sources.interhand import InterHand
from handpose.data.sources.mix import Mix
from handpose.data.sources.synthetic import Synthetic

SETTINGS = dict(joints="given", num_dims=14, neighbours=1, exclude="recording", weighted=True)


def _synthetic(root: Path, **changes: Any) -> Synthetic:
    settings = dict(num_train=80, num_val=3, num_test=3, render_size=48, orientation="frontal")
    contract = dict(split="train", seed=0, image_size=32)
    return Synthetic(root=str(root), **settings | contract | changes)


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return _synthetic(tmp_path_factory.mktemp("renders"))


def _spread(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The root mean square distance of joints (N, J, 2) in radii of the hands, one by one."""
    distances = []
    for a, b in zip(one.astype(np.float64), other.astype(np.float64), strict=True):
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        a, b = (hand / np.sqrt((hand**2).sum(axis=1).mean()) for hand in (a, b))
        distances.append(np.sqrt(((a - b) ** 2).sum(axis=1).mean()))
    return np.array(distances)


def test_a_pose_is_that_of_a_right_hand_wherever_and_however_large() -> None:
    one, other = random_joints(30), random_joints(30, seed=1)
    moved = Joints(3 * one.uv * [-1, 1] + [640, -20], one.valid, ~one.is_left)
    both = [np.concatenate(columns) for columns in zip(one, moved, other, strict=True)]
    pose, usable = pose_space(Joints(*both), num_dims=42)
    assert usable.all()
    assert np.abs(pose[:30] - pose[30:60]).max() < 1e-5
    distance = np.linalg.norm(pose[:30] - pose[60:], axis=1)
    assert np.allclose(distance, _spread(one.uv, other.uv), atol=1e-5)
    turned = Joints(one.uv[..., ::-1] * [-1, 1], one.valid, one.is_left)  # by a right angle
    pose, _ = pose_space(Joints(*map(np.concatenate, zip(one, turned, strict=True))), 42)
    assert (np.linalg.norm(pose[:30] - pose[30:], axis=1) > 0.5).all()


def test_pca_keeps_the_largest_components() -> None:
    joints = random_joints(50)
    joints.uv[:, :19] = joints.uv[:1, :19]  # two joints move: four numbers, after centring
    whole, few = (pose_space(joints, num_dims)[0] for num_dims in (42, 8))
    assert few.shape == (50, 8)
    lost = np.linalg.norm(whole - whole[0], axis=1) - np.linalg.norm(few - few[0], axis=1)
    assert np.abs(lost).max() < 1e-3
    assert few.std(axis=0)[0] > few.std(axis=0)[-1]


def test_hands_with_missing_joints_have_no_pose() -> None:
    joints = random_joints(6)
    joints.valid[2, 20] = False
    joints.uv[2] = np.nan
    joints.uv[4] = 7  # all joints in one place
    pose, usable = pose_space(joints, num_dims=5)
    assert usable.tolist() == [True, True, False, True, False, True]
    assert (pose[[2, 4]] == 0).all()
    assert np.isfinite(pose).all()


@pytest.mark.parametrize(
    ("exclude", "expected"), [("none", [1, 0]), ("identity", [2, 2]), ("recording", [3, 3])]
)
def test_what_no_partner_shares_with_its_sample(exclude: str, expected: list[int]) -> None:
    """0 and 1 are one pose, 2 is of their recording, 3 of another."""
    joints = random_joints(4)
    for place, noise in ((1, 0.1), (2, 1.0), (3, 5.0)):
        joints.uv[place] = joints.uv[0] + noise * np.random.default_rng(place).normal(size=(21, 2))
    source = Labels(joints, np.array([7, 7, 8, 12]))
    mined = mine(source, **SETTINGS | dict(exclude=exclude))
    assert mined.partners[:2, 0].tolist() == expected


def test_samples_without_a_pose_or_a_partner_keep_themselves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    joints = random_joints(5)
    joints.valid[3, 0] = False
    with caplog.at_level(logging.INFO):
        mined = mine(Labels(joints, 10 * np.arange(5)), **SETTINGS | dict(neighbours=2))
    assert mined.partners[3].tolist() == [3, 3]
    assert mined.distance[3].tolist() == [0, 0]
    assert mined.pose_valid.tolist() == [True, True, True, False, True]
    others = [0, 1, 2, 4]
    assert (mined.partners[others] != np.array(others)[:, None]).all()
    assert not (mined.partners == 3).any(axis=1)[others].any()
    assert "4 of 5 samples have partners" in caplog.text


def test_a_split_of_which_nobody_has_a_partner_is_refused() -> None:
    joints = random_joints(5)
    source = Labels(joints, np.arange(5))  # one recording
    with pytest.raises(ValueError, match="no hand of labels, train has a partner: 5 of 5"):
        mine(source, **SETTINGS)
    joints.valid[:, 2] = False
    with pytest.raises(ValueError, match="0 of 5 have all 21 joints"):
        mine(Labels(joints, 10 * np.arange(5)), **SETTINGS)
    capped = mine(Labels(joints, 10 * np.arange(5), max_samples=5), **SETTINGS)
    assert capped.partners[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_partners_are_much_nearer_than_chance(hands: Synthetic) -> None:
    """On 80 rendered hands: 0.26 of it; over all of the joints, not in the space of the search."""
    mined = mine(hands, **SETTINGS)
    uv, _, is_left = hands.joints()
    right = np.where(is_left[:, None, None], uv * [-1, 1], uv)
    own, partner = np.arange(80), mined.partners[:, 0]
    assert (partner != own).all()
    near, chance = _spread(right, right[partner]), _spread(right, right[(own + 40) % 80])
    assert np.median(near) < 0.5 * np.median(chance)
    assert np.allclose(mined.distance[:, 0], near, atol=0.05)  # 14 of 42 components
    unmirrored = pose_space(Joints(uv, np.ones_like(uv[..., 0], bool), is_left & False), 14)[0]
    wrong = nearest(unmirrored, own, 1)[0][:, 0]
    assert np.median(_spread(right, right[wrong])) > 1.3 * np.median(near)


def test_partners_are_drawn_evenly(hands: Synthetic) -> None:
    mined, rng = mine(hands, **SETTINGS | dict(neighbours=3)), np.random.default_rng(0)
    drawn = [mined.draw(rng, 5) for _ in range(300)]
    counts = [drawn.count(partner) for partner in mined.partners[5]]
    assert sum(counts) == 300
    assert min(counts) > 70


def test_poses_stay_behind_where_nothing_is_weighted(hands: Synthetic) -> None:
    weighted, plain = (mine(hands, **SETTINGS | dict(weighted=w)) for w in (True, False))
    assert weighted.pose.shape == (80, 14)
    assert plain.pose.shape == (80, 0)
    assert np.array_equal(plain.partners, weighted.partners)


def _interhand(root: Path) -> InterHand:
    write_interhand(root / "d", layout="v1.0")
    contract = dict(root=str(root / "d"), cache=str(root / "cache"), image_size=64)
    return InterHand(split="train", annotations="all", **contract)


def _mix(root: Path) -> Mix:
    parts: dict[str, Callable[..., HandDataset]] = {
        "one": lambda **contract: _synthetic(root, num_train=4, **contract),
        "two": lambda **contract: _interhand(root),
    }
    return Mix(parts=parts, sources=["two", "one"], weights=None, split="train", image_size=64)


@pytest.mark.parametrize("open_it", [_interhand, _mix, lambda root: _synthetic(root, num_train=4)])
def test_labels_without_pixels_are_those_of_the_samples(
    open_it: Callable[[Path], HandDataset], tmp_path: Path
) -> None:
    source = open_it(tmp_path)
    for fast, slow in zip(source.joints(), HandDataset.joints(source), strict=True):
        assert fast.dtype == slow.dtype
        assert np.array_equal(fast, slow)
    assert source.joints().is_left.any()
    assert not source.joints().is_left.all()
    recordings, identities = source.capture_groups, source.identities
    assert len(recordings) == len(identities) == len(source)
    for identity in np.unique(identities):
        assert len(np.unique(recordings[identities == identity])) == 1
    assert len(np.unique(recordings)) <= len(np.unique(identities))
