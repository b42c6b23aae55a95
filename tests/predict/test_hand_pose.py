"""Predictions on whole pictures: crops, mirrors, scales, and what was assumed."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import torch
from hands import CROP, hands, xyz_to_uvz

from handpose.data.base import joint_box
from handpose.detect.base import Detection
from handpose.geometry.camera import mirror_intrinsics, project
from handpose.predict import Given
from handpose.predict.hand_pose import find_device

K = np.array([[150.0, 0.0, 61.0], [0.0, 160.0, 44.0], [0.0, 0.0, 1.0]])
BOX = (63.0, 40.0, 50.0)
EVERYTHING = Given(box=BOX, K=K, side="right", scale=0.09)


def test_nothing_is_assumed_where_everything_is_given(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    (hand,) = make_hand_pose().predict([picture], EVERYTHING)
    assert hand.assumed == []
    assert tuple(hand.box) == BOX


def test_the_metric_hand_projects_onto_its_joints_and_has_the_given_size(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    (hand,) = make_hand_pose().predict([picture], EVERYTHING)
    assert np.ptp(hand.uv, axis=0).min() > 2, "no collapsed hand"
    assert np.abs(project(K, hand.camera_xyz) - hand.uv).max() < 1e-3
    assert np.allclose(hand.camera_xyz - hand.camera_xyz[0], hand.xyz, atol=1e-6)
    depth = hand.camera_xyz[0, 2] / 0.09
    assert 4 < depth < 50, "not clamped"
    assert np.linalg.norm(hand.xyz[5] - hand.xyz[0]) == pytest.approx(0.09, rel=1e-4)


def test_a_left_hand_is_the_mirrored_right_one(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    hand_pose, width = make_hand_pose(), picture.shape[1]
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    other = Given((width - 1 - BOX[0], *BOX[1:]), mirror_intrinsics(K, width), "left", 0.09)
    right, left = hand_pose.predict([picture, mirrored], [EVERYTHING, other])
    assert np.allclose(left.uv, [width - 1, 0] + right.uv * [-1, 1], atol=0.02)
    for name in ("xyz", "camera_xyz"):
        assert np.allclose(getattr(left, name), getattr(right, name) * [-1, 1, 1], atol=1e-4)
    assert np.abs(left.uv - right.uv).max() > 1, "the wrong case"


def test_without_a_box_the_first_pass_sets_the_second(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    hand_pose = make_hand_pose()
    known = EVERYTHING._replace(box=None)
    (first,) = hand_pose.predict([picture], EVERYTHING._replace(box=(59.5, 44.5, 90.0)))
    box = tuple(map(float, joint_box(first.uv)))
    (second,) = hand_pose.predict([picture], EVERYTHING._replace(box=box))
    (found,) = hand_pose.predict([picture], known)
    assert np.allclose(found.box, box, atol=1e-4)
    assert np.allclose(found.uv, second.uv, atol=1e-3)
    assert np.abs(found.uv - first.uv).max() > 0.1
    assert found.assumed == [
        "box: around the joints that a first pass over the centre square found"
    ]


def test_a_first_pass_without_a_hand_leaves_the_centre(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    collapsed = torch.full((1, 21, 3), 30.0)
    (hand,) = make_hand_pose(collapsed).predict([picture])
    assert tuple(hand.box) == (59.5, 44.5, 90.0)
    assert any("found no hand" in text for text in hand.assumed)
    assert np.isfinite(hand.xyz).all()


def test_boxes_of_another_kind_than_in_training_are_warned_of(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    (hand,) = make_hand_pose(by_joints=False).predict([picture])
    assert any(text.endswith("trained on boxes of another kind") for text in hand.assumed)


def test_weak_perspective_is_exact_for_a_camera_far_away(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    xyz, near = hands(1, seed=4)
    far = 1000.0
    xyz = xyz - xyz[:, :1] + torch.tensor([0.0, 0.0, far])
    near[:, :2, :2] *= far
    pose = xyz_to_uvz(xyz.double(), near.double(), (0, 5)).float()
    length = float((xyz[0, 5] - xyz[0, 0]).norm())
    box = Given(box=(CROP / 2, CROP / 2, float(CROP)), side="right", scale=length)
    (hand,) = make_hand_pose(pose).predict([picture], box)
    assert np.abs(hand.xyz - (xyz - xyz[:, :1])[0].numpy()).max() < 2e-4
    assert hand.camera_xyz is None
    assert len(hand.assumed) == 1
    assert hand.assumed[0].startswith("camera: weak perspective")


@pytest.mark.parametrize(("bone", "length"), [("index", 0.0915), ("middle", 0.0901)])
def test_the_assumed_size_is_a_mean_adult_s(
    make_hand_pose: Callable, picture: np.ndarray, bone: str, length: float
) -> None:
    hand_pose = make_hand_pose()
    hand_pose.crop = hand_pose.crop._replace(reference_bone=bone)
    (hand,) = hand_pose.predict([picture])
    assert hand.scale == pytest.approx(length, abs=1e-4)
    assert [text.partition(":")[0] for text in hand.assumed] == ["side", "box", "camera", "scale"]
    assert f"{1000 * length:.1f} mm from the wrist to the {bone} MCP" in hand.assumed[3]
    joint = {"index": 5, "middle": 9}[bone]
    assert np.linalg.norm(hand.xyz[joint]) == pytest.approx(hand.scale, rel=1e-4)


def test_a_batch_gives_what_each_image_alone_gives(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    hand_pose = make_hand_pose()
    pictures = [picture, picture[:, ::-1], picture[10:70, 20:]]
    together = hand_pose.predict(pictures)
    for image, hand in zip(pictures, together, strict=True):
        (alone,) = hand_pose.predict([image])
        assert np.allclose(alone.uv, hand.uv, atol=0.02), "but for rounding, in two passes"
    assert hand_pose.predict([]) == []


def test_wrong_values_are_refused_with_a_reason(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    hand_pose = make_hand_pose()
    for images, given, said in (
        ([picture[:8]], Given(), "too small, 120 x 8 px"),
        ([picture], Given(box=(500.0, 0.0, 20.0)), "outside the image, 120 x 90 px"),
        ([picture], Given(box=(5.0, 5.0, 0.0), scale=90.0), "the side at least 1; scale 90"),
        ([picture], Given(K=np.eye(3)), "focal lengths"),
        ([picture], Given(side="both"), "side both"),
    ):
        with pytest.raises(ValueError, match=said):
            hand_pose.predict(images, given)
    with pytest.raises(ValueError, match="device gpu: "):
        find_device("gpu")


def test_all_kinds_of_one_image_give_one_hand(
    picture: np.ndarray, make_hand_pose: Callable, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "hand.png"), picture[..., ::-1])
    hands = make_hand_pose().predict([picture, tmp_path / "hand.png", PIL.Image.fromarray(picture)])
    assert all(np.array_equal(hand.uv, hands[0].uv) for hand in hands)
    with pytest.raises(ValueError, match="1 images and 2 given"):
        make_hand_pose().predict([picture], [hands, hands])


def test_many_hands_of_an_image_are_each_as_alone(
    make_hand_pose: Callable, picture: np.ndarray
) -> None:
    hand_pose = make_hand_pose()
    boxes = [Given(box=(40.0, 40.0, 50.0), side="left"), Given(box=(80.0, 50.0, 60.0))]
    both, none, one = hand_pose.predict_hands([picture] * 3, [boxes, [], boxes[1:]])
    assert (len(both), none, len(one)) == (2, [], 1)
    for given, hand in zip(boxes, both, strict=True):
        (alone,) = hand_pose.predict([picture], given)
        assert hand.side == alone.side
        assert np.allclose(hand.uv, alone.uv, atol=1e-3)
    assert hand_pose.predict_hands([picture], [[]]) == [[]]
    with pytest.raises(ValueError, match="2 images and hands of 1"):
        hand_pose.predict_hands([picture] * 2, [boxes])

    def detect(image: np.ndarray) -> list[Detection]:
        no_uv = np.full((21, 2), np.nan)
        return [Detection(np.array(g.box), g.side or "right", 0.5, no_uv) for g in boxes]

    (found,) = hand_pose.predict_hands([picture], detect)
    assert all(np.allclose(a.uv, b.uv, atol=1e-3) for a, b in zip(found, both, strict=True))
    assert {hand.score for hand in found} == {0.5}
    assert not any(text.startswith(("side", "box")) for hand in found for text in hand.assumed)


def test_a_head_without_confidence_says_so(make_hand_pose: Callable, picture: np.ndarray) -> None:
    assert make_hand_pose().no_confidence() is None
    silent = make_hand_pose(torch.full((1, 21, 3), 30.0))
    assert "the head gives none" in silent.no_confidence()
    (hand,) = silent.predict([picture])
    assert (hand.confidence, hand.joint_confidence) == (None, None)
