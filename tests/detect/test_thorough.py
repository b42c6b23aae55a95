"""Several looks: every hand is covered, mapped back exactly, and kept if it is found again."""

from pathlib import Path

import numpy as np
import pytest
from many_hands import many_hands

from handpose.data.base import joint_box
from handpose.data.images import read_image
from handpose.detect.base import Detection
from handpose.detect.loading import load_detector
from handpose.detect.mediapipe import HandLandmarker
from handpose.detect.thorough import (
    ThoroughDetector,
    View,
    crop,
    first_views,
    overlap,
    seen_in,
    without_repeats,
)
from handpose.geometry import affine as maps

UV = np.random.default_rng(0).uniform(-20, 20, (21, 2)).astype(np.float32)


def hand(u: float, v: float, *, size: float = 1.0, score: float = 0.9, side="left") -> Detection:
    uv = size * UV + np.array([u, v], np.float32)
    return Detection(joint_box(uv), side, score, uv)


class Marks:
    """A detector of a red dot: a hand about it, right if green and blue lie clockwise around it.

    Args:
        fails_on: numbers of the calls that find nothing.
    """

    def __init__(self, *, fails_on: tuple[int, ...] = ()) -> None:
        self.fails_on, self.calls = fails_on, 0

    def __call__(self, image: np.ndarray) -> list[Detection]:
        self.calls += 1
        places = [np.argwhere(image[..., channel] > 120)[:, ::-1] for channel in range(3)]
        if self.calls - 1 in self.fails_on or not all(map(len, places)):
            return []
        red, green, blue = (place.mean(axis=0) for place in places)
        is_clockwise = np.linalg.det([green - red, blue - red]) > 0
        return [hand(*red, side="right" if is_clockwise else "left")]


def dot(height: int, width: int, u: int, v: int) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for channel, (du, dv) in enumerate([(0, 0), (9, 0), (0, 9)]):
        image[v + dv - 2 : v + dv + 3, u + du - 2 : u + du + 3, channel] = 255
    return image


@pytest.mark.parametrize("shape", [(720, 1280), (500, 200), (64, 64), (1, 1), (7, 300)])
def test_first_views_are_parts_that_cover_the_image(shape: tuple[int, int]) -> None:
    image = np.arange(shape[0] * shape[1]).reshape(*shape, 1)
    views = list(first_views(image))
    assert np.array_equal(views[0].image, image)
    seen = np.concatenate([view.image.ravel() for view in views[1:]])
    assert np.array_equal(np.unique(seen), image.ravel())
    for view in views:
        corner = maps.apply(maps.invert(view.affine), np.zeros((1, 2)))[0].astype(int)
        assert view.image[0, 0] == image[corner[1], corner[0]]


def test_a_hand_half_a_part_wide_lies_whole_in_some_part() -> None:
    image = np.zeros((720, 1280, 3), np.uint8)
    views = list(first_views(image))[1:]
    half = 720 // 4
    assert {view.image.shape[:2] for view in views} == {(720, 720)}
    for u, v in [(half, half), (640, 360), (1280 - half, 720 - half), (430, 230), (900, 500)]:
        corners = np.array([[u - half, v - half], [u + half - 1, v + half - 1]])
        inside = [maps.apply(view.affine, corners) for view in views]
        assert any(
            (points >= 0).all() and (points <= np.array(view.image.shape[1::-1]) - 1).all()
            for points, view in zip(inside, views, strict=True)
        )


def test_an_image_has_few_parts() -> None:
    counts = {(224, 224): 4, (334, 512): 3, (720, 1280): 3, (1080, 1920): 3, (100, 1000): 7}
    for shape, count in counts.items():
        for size in (shape, shape[::-1]):
            assert len(list(first_views(np.zeros((*size, 3), np.uint8)))) == 1 + count, size


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, 270, 30])
@pytest.mark.parametrize("size", [20.0, 60.0, 300.0])
def test_what_a_crop_shows_is_mapped_back(turn: float, mirror: bool, size: float) -> None:
    image = dot(200, 300, 180, 90)
    box = np.array([170.0, 100.0, size])
    (found,) = seen_in(crop(image, box, turn, mirror=mirror), Marks())
    shift = np.abs(UV.mean(axis=0)).max() * max(1.0, size / 30)  # of the landmarks about the dot
    assert np.linalg.norm(found.uv.mean(axis=0) - [180, 90]) < 2 * shift
    assert found.side == "right"


def test_points_and_boxes_are_mapped_back_exactly() -> None:
    view = crop(np.zeros((100, 100, 3), np.uint8), np.array([40.0, 60.0, 30.0]), 90, mirror=True)
    true = hand(42, 58, size=0.3, side="right")
    shown = maps.apply(view.affine, true.uv)
    scale = view.image.shape[0] / (3.2 * 30)
    centre = maps.apply(view.affine, true.box[None, :2])[0]
    box = np.array([*centre, scale * true.box[2]])
    (found,) = seen_in(view, lambda image: [Detection(box, "left", 0.5, shown)])
    assert np.allclose(found.uv, true.uv, atol=1e-3)
    assert np.allclose(found.box, true.box, atol=1e-3)
    assert found.side == "right"


def test_the_score_is_the_mean_over_the_second_looks() -> None:
    image = dot(120, 160, 80, 60)
    for failed, score in ((), 0.9), ((1,), 0.675), ((0, 1, 3), 0.225), ((0, 1, 2, 3), None):
        detect = ThoroughDetector(Marks(), Marks(fails_on=failed), min_score=0.0, num_hands=4)
        found = detect(image)
        assert len(found) == (score is not None)
        assert not found or found[0].score == pytest.approx(score)


def test_faint_hands_are_left_out_and_the_best_kept() -> None:
    first = lambda image: [hand(40, 40), hand(140, 40), hand(90, 120)]  # noqa: E731
    found = ThoroughDetector(first, first, min_score=0.0, num_hands=2)
    image = np.zeros((160, 180, 3), np.uint8)
    assert len(found(image)) <= 2
    assert (
        ThoroughDetector(Marks(), Marks(), min_score=0.95, num_hands=4)(dot(120, 160, 80, 60)) == []
    )


def test_repeats_are_dropped_for_the_better_one() -> None:
    best, near, inside, far = (
        hand(50, 50, score=0.9),
        hand(55, 52, score=0.8),
        hand(52, 50, size=0.4, score=0.7),
        hand(120, 50, score=0.6),
    )
    assert without_repeats(iter([far, inside, near, best])) == [best, far]
    assert overlap(best.box, best.box) == pytest.approx(1)
    assert overlap(np.array([0, 0, 2.0]), np.array([1, 0, 2.0])) == pytest.approx(2 / 6)
    assert overlap(np.array([0, 0, 2.0]), np.array([9, 0, 2.0])) == 0


def test_views_keep_the_type_that_detectors_take() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    views: list[View] = [*first_views(image), crop(image, np.array([9.0, 9, 50]), 90, mirror=True)]
    assert {view.image.dtype for view in views} == {np.dtype(np.uint8)}
    assert all(view.image.flags.c_contiguous for view in views)


def test_it_finds_both_hands_of_an_image_where_one_look_misses_one(
    hand_landmarker: Path, real_samples: Path, landmarker: HandLandmarker
) -> None:
    image = read_image(next(real_samples.rglob("005880453_01_l.jpg")))
    assert len(landmarker(image)) == 1
    with_care = load_detector(str(hand_landmarker), thorough=True)
    found = with_care(image)
    assert {one.side for one in found} == {"left", "right"}
    assert min(one.score for one in found) > 0.5
    with_care.close()


def test_it_finds_more_of_several_rendered_hands(
    hand_landmarker: Path, landmarker: HandLandmarker
) -> None:
    looks_again = load_detector(str(hand_landmarker), thorough=True)
    found = {"once": 0, "thorough": 0}
    for seed in range(4):
        scene = many_hands(3, seed=seed)
        for name, detect in (("once", landmarker), ("thorough", looks_again)):
            for one in detect(scene.image):
                errors = [np.linalg.norm(one.uv - uv, axis=1).mean() for uv in scene.uv]
                nearest = int(np.argmin(errors))
                if errors[nearest] < 0.15 * joint_box(scene.uv[nearest])[2]:
                    found[name] += one.side == scene.sides[nearest]
    assert found["thorough"] > found["once"]
    assert found["thorough"] >= 8
