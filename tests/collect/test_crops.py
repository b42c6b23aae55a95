"""Cuts: the joints stay on the same pixels, nothing is enlarged, what is off the cut is unknown."""

import numpy as np
import pytest

from handpose.collect.crops import cut_hands, is_seen
from handpose.collect.options import Options
from handpose.detect.base import Detection


def dotted(joints: np.ndarray, size: tuple[int, int] = (400, 300)) -> np.ndarray:
    """A soft dot at each joint, brightest there."""
    v, u = np.mgrid[: size[1], : size[0]]
    squares = (u - joints[:, 0, None, None]) ** 2 + (v - joints[:, 1, None, None]) ** 2
    image = 255 * np.exp(-squares / 18).max(axis=0)
    return np.repeat(image[..., None], 3, axis=2).astype(np.uint8)


def hand(centre: tuple[float, float], side: float, score: float = 0.9) -> Detection:
    angles = np.linspace(0, 2 * np.pi, 21, endpoint=False)
    uv = np.array(centre) + 0.4 * side * np.stack((np.cos(angles), np.sin(angles)), axis=1)
    return Detection(np.array([*centre, side], np.float32), "left", score, uv.astype(np.float32))


def peak(image: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The centre of mass of the dot next to a point."""
    v, u = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image[..., 0] * (np.hypot(u - near[0], v - near[1]) < 3)
    return np.array([(u * weight).sum(), (v * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize("size", [64, 100, 333, 1000])
def test_joints_stay_on_their_pixels(size: int, frames: bool) -> None:
    found = hand((203.3, 141.7), 120.0)
    image = dotted(found.uv)
    (cut,) = cut_hands(image, [found], Options(size=size, frames=frames))
    (own,) = cut.hands
    height, width = cut.image.shape[:2]
    assert max(height, width) == min(size, 400 if frames else 240)
    if size < 1000 and not frames:
        assert abs(height - width) <= 1
    scale = max(height, width) / (400 if frames else 240)
    assert own.box[2] == pytest.approx(scale * 120, rel=0.02)
    assert np.allclose(own.uv.mean(axis=0), own.box[:2], atol=0.05)
    if scale > 0.4:
        for joint in own.uv:
            assert np.allclose(peak(cut.image, joint), joint, atol=0.35)


def test_nothing_is_enlarged_or_copied() -> None:
    found = hand((60.0, 50.0), 40.0)
    image = dotted(found.uv, (150, 120))
    (cut,) = cut_hands(image, [found], Options(size=256, margin=0.5))
    assert cut.image.shape == (80, 80, 3)
    assert np.array_equal(cut.image, image[10:90, 20:100])
    assert cut.hands[0].box.tolist() == [40.0, 40.0, 40.0]
    assert np.allclose(cut.hands[0].uv, found.uv - [20, 10], atol=1e-4)


def test_a_cut_ends_at_the_image_and_joints_beyond_are_unknown() -> None:
    found = hand((20.0, 100.0), 80.0)
    (cut,) = cut_hands(dotted(found.uv), [found], Options(size=1000))
    assert cut.image.shape == (160, 100, 3)
    outside = found.uv[:, 0] < -0.5
    assert 0 < outside.sum() < 21
    assert np.array_equal(np.isnan(cut.hands[0].uv).all(axis=1), outside)


def test_a_low_score_and_joints_off_the_box_are_no_labels() -> None:
    for own in (
        hand((100, 100), 80, score=0.59),
        hand((100, 100), 80)._replace(uv=np.zeros((21, 2))),
    ):
        (cut,) = cut_hands(np.zeros((200, 200, 3), np.uint8), [own], Options())
        assert np.isnan(cut.hands[0].uv).all()
        assert cut.hands[0].box[2] == 80
    (cut,) = cut_hands(np.zeros((200, 200, 3), np.uint8), [hand((100, 100), 80, 0.6)], Options())
    assert np.isfinite(cut.hands[0].uv).all()


def test_every_hand_has_its_crop_and_a_frame_all_hands() -> None:
    image, hands = np.zeros((300, 400, 3), np.uint8), [hand((100, 100), 80), hand((250, 150), 90)]
    assert [len(cut.hands) for cut in cut_hands(image, hands, Options())] == [1, 1]
    (cut,) = cut_hands(image, hands, Options(frames=True, size=200))
    assert [own.box.tolist() for own in cut.hands] == [
        pytest.approx([49.75, 49.75, 40]),
        pytest.approx([124.75, 74.75, 45]),
    ]
    assert cut_hands(image, [], Options(frames=True)) == []


@pytest.mark.parametrize(
    ("box", "seen"),
    [((50, 50, 32), True), ((50, 50, 31), False), ((-10, 50, 60), True), ((-20, 50, 60), False)],
)
def test_small_hands_and_those_off_the_image_are_not_seen(box: tuple, seen: bool) -> None:
    found = hand((box[0], box[1]), box[2])
    assert is_seen(found, np.zeros((100, 100, 3), np.uint8), 32) is seen
