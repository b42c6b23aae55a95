"""Skeletons over an image lie where the joints are."""

import numpy as np

from handpose.loggers.base import LoggedImage
from handpose.loggers.overlays import CLASSES, PREDICTION, TRUTH, drawn, enlarged, mask_of
from handpose.skeleton import JOINT_NAMES


def spread() -> np.ndarray:
    """Joints at places of their own, 20 px apart."""
    places = np.arange(21)
    return np.stack([20.0 + 20 * (places % 5), 20.0 + 20 * (places // 5)], axis=1)


def test_a_mask_has_the_number_of_the_finger_at_its_joints() -> None:
    uv = spread()
    mask = mask_of(uv, (128, 128, 3))
    for joint in (4, 8, 12, 16, 20):  # tips, over which no other bone is drawn later
        u, v = uv[joint].astype(int)
        assert CLASSES[int(mask[v, u])] == JOINT_NAMES[joint].split()[0]
    assert CLASSES[int(mask_of(uv[:1].repeat(21, axis=0) * np.nan, (9, 9)).max()) or 6] == "wrist"
    assert mask[0, 0] == 0
    assert set(np.unique(mask)) <= {0, *CLASSES}


def test_unknown_joints_and_those_far_off_are_no_trouble() -> None:
    uv = spread()
    uv[1:] = np.nan
    assert set(np.unique(mask_of(uv, (128, 128)))) == {0, 6}  # the wrist alone
    uv[1:] = 1e12
    mask_of(uv, (128, 128))
    assert not mask_of(np.full((21, 2), np.nan), (32, 32)).any()


def test_joints_move_with_an_enlarged_image() -> None:
    image = np.zeros((32, 40, 3), np.uint8)
    larger, skeletons = enlarged(
        image, {PREDICTION: np.array([[0.0, 0.0], [39.0, 31.0]])}, side=100
    )
    assert larger.shape == (128, 160, 3)
    np.testing.assert_allclose(skeletons[PREDICTION], [[1.5, 1.5], [157.5, 125.5]])
    assert enlarged(image, side=20)[0] is image


def test_the_truth_is_drawn_white_over_the_prediction() -> None:
    image, uv = np.zeros((128, 128, 3), np.uint8), spread()
    pixels = drawn(LoggedImage(image, "", {PREDICTION: uv, TRUTH: uv}))
    u, v = uv[20].astype(int)
    assert pixels[v, u].min() > 200
    coloured = drawn(LoggedImage(image, "", {PREDICTION: uv}))
    assert coloured[v, u].max() > coloured[v, u].min() + 50
    assert image.max() == 0
