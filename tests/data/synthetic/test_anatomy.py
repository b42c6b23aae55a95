"""Angles stay human and the skeleton keeps its lengths."""

import numpy as np
import pytest

from handpose.data.synthetic.anatomy import (
    LIMITS,
    MEAN_PROPORTIONS,
    WRIST_LIMITS,
    entanglement,
    pose_skeleton,
    rotation,
    sample_pose,
    sample_proportions,
)


@pytest.mark.parametrize("seed", range(20))
def test_sampled_angles_stay_within_limits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pose = sample_pose(rng, sample_proportions(rng))
    assert (pose.angles >= LIMITS[..., 0]).all()
    assert (pose.angles <= LIMITS[..., 1]).all()
    assert (pose.wrist >= WRIST_LIMITS[:, 0]).all()
    assert (pose.wrist <= WRIST_LIMITS[:, 1]).all()


@pytest.mark.parametrize("seed", range(10))
def test_bones_have_the_sampled_lengths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    proportions = sample_proportions(rng)
    joints = pose_skeleton(sample_pose(rng, proportions).angles, proportions).joints
    chains = joints[1:].reshape(5, 4, 3)
    np.testing.assert_allclose(chains[:, 0], proportions.bases)
    lengths = np.linalg.norm(np.diff(chains, axis=1), axis=-1)
    np.testing.assert_allclose(lengths, proportions.lengths, rtol=1e-12)


def test_hands_are_of_human_size() -> None:
    hands = [sample_proportions(np.random.default_rng(seed)) for seed in range(200)]
    palms = np.array([np.linalg.norm(hand.bases[1]) for hand in hands])
    assert 0.075 < palms.min() < 0.085 < palms.mean() < 0.10 < palms.max() < 0.11


def test_flexion_curls_the_fingers_towards_the_palm() -> None:
    angles = np.zeros((5, 4))
    angles[1:, 1] = np.pi / 2
    straight = pose_skeleton(np.zeros((5, 4)), MEAN_PROPORTIONS).joints
    bent = pose_skeleton(angles, MEAN_PROPORTIONS).joints
    tips = [8, 12, 16, 20]
    assert (bent[tips, 2] > straight[tips, 2] + 0.05).all()
    assert (bent[tips, 1] < straight[tips, 1] - 0.05).all()


def test_crossing_fingers_are_entangled_and_a_flat_hand_is_not() -> None:
    flat = np.zeros((5, 4))
    crossed = flat.copy()
    crossed[1, 0], crossed[2, 0] = np.radians(-20), np.radians(20)
    assert entanglement(pose_skeleton(flat, MEAN_PROPORTIONS).joints) == 0.0
    assert entanglement(pose_skeleton(crossed, MEAN_PROPORTIONS).joints) > 0.005


@pytest.mark.parametrize(("axis", "source", "image"), [("x", 1, 2), ("y", 2, 0), ("z", 0, 1)])
def test_rotations_are_right_handed(axis: str, source: int, image: int) -> None:
    np.testing.assert_allclose(rotation(axis, np.pi / 2)[:, source], np.eye(3)[image], atol=1e-12)
