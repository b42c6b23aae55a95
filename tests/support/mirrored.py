"""A right hand and its mirror image as a left one are the same to the model."""

from collections.abc import Callable, Sequence

import numpy as np

from handpose.augment.views import make_target
from handpose.records import Sample

_MEAN_DIFFERENCE = 2.0  # of 255: a JPEG and its mirror image are compressed differently


def assert_same_crop_and_pose(pair: Sequence[Sample], make_settings: Callable) -> None:
    """The crops, poses and cameras of a right hand and of its mirror image are equal."""
    right, left = pair
    assert (right.side, left.side) == ("right", "left")
    assert np.abs(right.xyz - left.xyz).max() > 0.01, "they differ in the frame of the source"
    one, other = (
        make_target(
            sample,
            make_settings("crop"),
            rng=np.random.default_rng(0),
            size=64,
            reference_bone="index",
            index=0,
        )
        for sample in pair
    )
    assert (bool(one.is_left), bool(other.is_left)) == (False, True)
    difference = np.abs(np.asarray(one.image, float) - np.asarray(other.image, float))
    assert difference.mean() < _MEAN_DIFFERENCE
    for name in ("uvz", "xyz", "K", "bone"):
        assert np.allclose(getattr(one, name), getattr(other, name), atol=2e-3, rtol=1e-4), name
    assert np.array_equal(one.uv_valid, other.uv_valid)
    assert np.array_equal(one.xyz_valid, other.xyz_valid)
