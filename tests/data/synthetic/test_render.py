"""A rendered hand agrees with its own labels."""

import numpy as np
import pytest

from handpose.data.synthetic.render import (
    RenderedHand,
    mirrored,
    render_hand,
    render_right_hand,
    silhouette_box,
)

SIZE = 64
SEEDS = range(12)


def _render(seed: int, orientation: str = "upright") -> RenderedHand:
    return render_hand(np.random.default_rng(seed), size=SIZE, orientation=orientation)


def _assert_same(a: RenderedHand, b: RenderedHand) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_shapes_and_types() -> None:
    hand = _render(0)
    assert hand.image.shape == (SIZE, SIZE, 3)
    assert hand.image.dtype == np.uint8
    floats = (hand.uv, hand.xyz, hand.K, hand.box)
    assert [array.shape for array in floats] == [(21, 2), (21, 3), (3, 3), (3,)]
    assert all(array.dtype == np.float32 for array in floats)


@pytest.mark.parametrize("orientation", ["frontal", "upright", "any"])
def test_the_same_generator_state_gives_the_same_bytes(orientation: str) -> None:
    _assert_same(_render(3, orientation), _render(3, orientation))


def test_another_seed_gives_another_hand() -> None:
    one, other = _render(1), _render(2)
    assert (one.image != other.image).mean() > 0.5
    assert np.abs(one.xyz - other.xyz).max() > 0.01


@pytest.mark.parametrize("orientation", ["frontal", "upright", "any"])
@pytest.mark.parametrize("seed", SEEDS)
def test_uv_is_the_projection_and_inside_the_frame(seed: int, orientation: str) -> None:
    hand = _render(seed, orientation)
    homogeneous = hand.xyz.astype(np.float64) @ hand.K.T.astype(np.float64)
    np.testing.assert_allclose(hand.uv, homogeneous[:, :2] / homogeneous[:, 2:], atol=1e-3)
    assert (hand.K[[0, 1], [0, 1]] > 0).all()
    assert (hand.uv >= 0).all()
    assert (hand.uv <= SIZE - 1).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_is_within_what_the_root_solver_takes(seed: int) -> None:
    xyz = _render(seed, "any").xyz
    ratio = xyz[0, 2] / np.linalg.norm(xyz[5] - xyz[0])
    assert 4.5 <= ratio <= 14


def test_both_sides_occur_and_a_left_hand_is_a_right_one_in_the_mirror() -> None:
    hands = [_render(seed) for seed in SEEDS]
    assert {hand.side for hand in hands} == {"left", "right"}
    for seed, hand in zip(SEEDS, hands, strict=True):
        rng = np.random.default_rng(seed)
        rng.random()
        right, _ = render_right_hand(rng, size=SIZE, orientation="upright")
        _assert_same(hand, right if hand.side == "right" else mirrored(right))


def test_the_mirror_reflects_pixels_points_camera_and_box() -> None:
    right, _ = render_right_hand(np.random.default_rng(5), size=SIZE, orientation="upright")
    left = mirrored(right)
    last = SIZE - 1
    np.testing.assert_array_equal(left.image, right.image[:, ::-1])
    np.testing.assert_allclose(left.uv[:, 0], last - right.uv[:, 0], atol=1e-3)
    np.testing.assert_allclose(left.uv[:, 1], right.uv[:, 1], atol=1e-3)
    np.testing.assert_array_equal(left.xyz, right.xyz * [-1, 1, 1])
    np.testing.assert_allclose(left.K[0, 2], last - right.K[0, 2], atol=1e-3)
    assert left.K[0, 0] == right.K[0, 0]
    np.testing.assert_allclose(left.box, [last - right.box[0], *right.box[1:]], atol=1e-3)
    assert left.side == "left"


def test_a_right_hand_is_a_right_hand() -> None:
    """Palm towards us and fingers up, a right hand's thumb is on our right."""
    for seed in SEEDS:
        hand, _ = render_right_hand(np.random.default_rng(seed), size=SIZE, orientation="any")
        to_index, to_little = hand.xyz[5] - hand.xyz[0], hand.xyz[17] - hand.xyz[0]
        palm = np.cross(to_index, to_little)  # out of the palm
        assert palm @ (hand.xyz[2] - hand.xyz[0]) > 0  # the thumb's base bulges palmwards


def test_joints_lie_on_the_visible_hand() -> None:
    on_hand = []
    for seed in range(16):
        hand, mask = render_right_hand(
            np.random.default_rng(seed), size=SIZE, orientation="upright"
        )
        scale = len(mask) / SIZE
        column, row = np.rint((hand.uv + 0.5) * scale - 0.5).astype(int).T
        on_hand.append(mask[row, column].mean())
    assert np.mean(on_hand) > 0.95  # the rest is behind an occluder


@pytest.mark.parametrize("seed", SEEDS)
def test_the_box_bounds_the_silhouette(seed: int) -> None:
    hand, mask = render_right_hand(np.random.default_rng(seed), size=SIZE, orientation="any")
    rows, columns = np.nonzero(mask)
    scale = len(mask) / SIZE
    centres = (np.stack([columns, rows], axis=1) + 0.5) / scale - 0.5
    gaps = hand.box[2] / 2 - np.abs(centres - hand.box[:2]).max(axis=0)
    half_pixel = 0.5 / scale
    assert gaps.min() == pytest.approx(half_pixel, abs=1e-3)  # touches on its longer side
    assert hand.box[2] < SIZE


def test_the_box_of_a_known_mask() -> None:
    mask = np.zeros((20, 20), bool)
    mask[4:8, 6:16] = True
    np.testing.assert_allclose(silhouette_box(mask, 2.0), [5.0, 2.5, 5.0])


def test_upright_hands_point_up_and_any_do_not() -> None:
    def heights(orientation: str) -> np.ndarray:
        hands = [_render(seed, orientation) for seed in range(16)]
        return np.array([hand.uv[0, 1] - hand.uv[9, 1] for hand in hands])

    assert (heights("upright") > 0).all()
    assert (heights("any") < 0).mean() > 0.2


def test_an_unknown_orientation_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'sideways'.*frontal, upright, any"):
        _render(0, "sideways")
