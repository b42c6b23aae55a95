"""Labels held against each other."""

from collections.abc import Callable

import numpy as np
import pytest

from handpose.doctor.measures import measure
from handpose.records import Sample


@pytest.fixture
def sample(make_sample: Callable[..., Sample]) -> Sample:
    return make_sample(np.zeros((200, 300, 3), np.uint8))


def test_consistent_labels(sample: Sample) -> None:
    found = measure([sample, sample], reference_bone="index")
    assert found.hands == 2
    assert found.projection_max == pytest.approx(0, abs=1e-3)
    length = 1000 * np.linalg.norm(sample.xyz[5] - sample.xyz[0])
    assert found.bone == pytest.approx(length, rel=1e-6)
    inside = np.abs(sample.uv - sample.box[:2]).max(axis=1) <= sample.box[2] / 2
    assert found.in_box == pytest.approx(inside.mean())


def test_shifted_2d_labels_show(sample: Sample) -> None:
    shifted = sample._replace(uv=sample.uv + np.array([3, 4], np.float32))
    found = measure([shifted], reference_bone="index")
    assert found.projection_median == pytest.approx(5, abs=0.01)


def test_another_unit_shows(sample: Sample) -> None:
    before = measure([sample], reference_bone="index").bone or 0
    millimetres = sample._replace(xyz=sample.xyz * 1000)
    assert measure([millimetres], reference_bone="index").bone == pytest.approx(1000 * before)


def test_a_box_elsewhere_shows(sample: Sample) -> None:
    moved = sample._replace(box=np.array([1000, 1000, 20], np.float32))
    assert measure([moved], reference_bone="index").in_box == 0


def test_unlabelled_joints_and_unknown_cameras_say_nothing(sample: Sample) -> None:
    none = np.zeros(21, dtype=bool)
    blank = sample._replace(uv_valid=none, xyz_valid=none)
    assert measure([blank], reference_bone="index")[1:] == (None, None, None, None)
    no_camera = sample._replace(K=np.eye(3, dtype=np.float32))
    found = measure([no_camera], reference_bone="index")
    assert (found.projection_max, found.bone) == (None, None)
    assert found.in_box is not None
    assert measure([], reference_bone="index").hands == 0
