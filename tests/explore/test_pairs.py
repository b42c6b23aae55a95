"""A pair of the page: view 1 moved onto view 2 agrees, and a wrong map does not."""

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from handpose.explore.augmentations_tab import CONTROLS, SLIDERS, changed, overrides
from handpose.explore.view_pairs import agreement, from_plain, make_pair
from handpose.geometry import affine as maps

SIZE = 64
MOVES = ("rotate", "crop", "random_crop")


@pytest.fixture
def smooth(rng: np.random.Generator) -> np.ndarray:
    """A picture in which a shift by a pixel is small and one by ten is not."""
    noise = rng.integers(0, 256, (120, 120, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("time", range(4))
def test_view_1_moved_meets_view_2(
    smooth: np.ndarray, make_sample: Callable, make_settings: Callable, side: str, time: int
) -> None:
    settings = make_settings(*MOVES)
    pair = make_pair(
        make_sample(smooth, side=side), settings, size=SIZE, seed=5, time=time, index=3
    )
    found = agreement(pair)
    assert found.joints < 0.01
    assert found.pixels < 4
    assert found.unmoved > 4 * found.pixels


def test_a_wrong_map_does_not_agree(
    smooth: np.ndarray, make_sample: Callable, make_settings: Callable
) -> None:
    pair = make_pair(make_sample(smooth), make_settings(*MOVES), size=SIZE, seed=5, time=0, index=3)
    sin, cos = pair.target.rotation[:, 0], pair.target.rotation[:, 1]
    turned_back = pair.target._replace(rotation=pair.target.rotation * sin.new_tensor([-1.0, 1.0]))
    assert abs(math.degrees(math.atan2(float(sin), float(cos)))) > 5, "else nothing is turned back"
    from handpose.report.view_figures import pair_images, target_affine

    wrong = pair._replace(
        target=turned_back,
        images=pair_images(pair.views, turned_back, 0),
        uv=np.stack([*pair.uv[:2], maps.apply(target_affine(turned_back, 0, SIZE), pair.uv[0])]),
    )
    assert agreement(wrong).joints > 1
    assert agreement(wrong).pixels > 2 * agreement(pair).pixels


def test_what_was_drawn_is_the_map_from_the_plain_crop(
    smooth: np.ndarray, make_sample: Callable, make_settings: Callable
) -> None:
    settings = make_settings("rotate", angle=(30, 30))
    pair = make_pair(make_sample(smooth), settings, size=SIZE, seed=5, time=0, index=0)
    for view in (0, 1):
        found = from_plain(pair.views.params, view, SIZE)
        assert math.degrees(math.atan2(*found.rotation[0].tolist())) == pytest.approx(30, abs=1e-3)
        assert float(found.log_scale) == pytest.approx(0, abs=1e-5)
        assert found.shift.abs().max() < 1e-5
    assert math.atan2(*pair.target.rotation[0].tolist()) == pytest.approx(0, abs=1e-5)


def test_controls_at_rest_are_the_configuration(make_settings: Callable) -> None:
    settings = make_settings(*MOVES)
    switches = [getattr(settings, control.switch) for control in CONTROLS]
    same = changed(settings, switches, [slider.value(settings) for slider in SLIDERS])
    assert overrides(same, settings) == []
    assert len(CONTROLS) == 9


def test_a_changed_control_is_an_override(make_settings: Callable) -> None:
    settings = make_settings("rotate")
    switches = [control.switch == "sobel" for control in CONTROLS]
    values = [slider.value(settings) for slider in SLIDERS]
    values[0] = -10.0
    made = changed(settings, switches, values)
    assert made.angle == (-10, 45)
    expected = {"augment.rotate=false", "augment.sobel=true", "augment.angle=[-10,45]"}
    assert set(overrides(made, settings)) == expected
    values[0] = 90.0
    with pytest.raises(ValueError, match="angle"):
        changed(settings, switches, values)
